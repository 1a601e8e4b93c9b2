"""Large batches are heard in parts, and nobody notices."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from htsat.engines.choose import EngineSettings, open_engine
from htsat.engines.parts import clips_at_once, in_parts
from htsat.engines.protocol import EngineOutput

ENGINES = [("small.safetensors", "torch"), ("small.onnx", "onnx"), ("small.onnx", "openvino")]


@pytest.fixture
def description(files):
    return open_engine(files / "small.onnx", "small", EngineSettings(engine="onnx")).description


@pytest.mark.parametrize(("clip_s", "n_clips"), [(10.0, 2), (5.0, 4), (1.0, 20), (30.0, 1), (60.0, 1)])
def test_parts_last_twenty_seconds(clip_s, n_clips, description):
    longer = dataclasses.replace(description, clip_samples=round(clip_s * description.sample_rate))
    assert clips_at_once(longer) == n_clips


@pytest.mark.parametrize("n_clips", [1, 3, 4, 5, 11])
def test_every_clip_is_heard_once_and_in_order(n_clips, description):
    five_s = dataclasses.replace(description, clip_samples=5 * description.sample_rate)
    heard = []

    def run(clips):
        heard.append(len(clips))
        return EngineOutput(*(clips[:, :1] * factor for factor in (1, 2, 3, 4)))

    clips = np.arange(n_clips, dtype=np.float32)[:, None]
    answer = in_parts(run, clips, five_s)
    assert max(heard) <= 4
    assert sum(heard) == n_clips
    for array, factor in zip(answer, (1, 2, 3, 4), strict=True):
        np.testing.assert_array_equal(array, clips * factor)


@pytest.mark.parametrize(("file", "name"), ENGINES)
def test_a_batch_of_any_size_gives_what_single_clips_give(file, name, files):
    settings = EngineSettings(engine=name, device="cpu", n_threads=1)
    engine = open_engine(files / file, "small", settings)
    clips = 0.1 * np.random.default_rng(0).standard_normal((45, 4_000)).astype(np.float32)
    together = engine.frame_scores(clips)
    for index in (0, 39, 40, 44):
        alone = engine.frame_scores(clips[index : index + 1])
        for whole, single in zip(together, alone, strict=True):
            np.testing.assert_allclose(whole[index], single[0], rtol=0, atol=1e-4)
