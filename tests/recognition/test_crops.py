from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from htsat.checkpoints import Model, ModelCard
from htsat.engines.torch_engine import TorchEngine
from htsat.errors import HtsatError
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.recognition.crops import crop_logits
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules


@pytest.fixture(params=[0, 8], ids=["papers_head", "fine_head"])
def engine(one_second_config: ModelConfig, request: pytest.FixtureRequest) -> TorchEngine:
    """Clips of 1 s at 8 kHz, random weights."""
    torch.manual_seed(0)
    config = dataclasses.replace(one_second_config, fine_width=request.param)
    card = ModelCard(LabelSet(("a", "b", "c")), "multi_label", EventRules((0.5,) * 3))
    return TorchEngine(Model(HTSAT(config), card), "small", "cpu")


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 4_000])
@pytest.mark.parametrize("duration_s", [0.3, 1.0, 2.7])
def test_each_waveform_is_heard_as_tag_hears_a_file(
    sample_rate: int, duration_s: float, engine: TorchEngine, tmp_path: Path
) -> None:
    shape = (3, round(duration_s * sample_rate))
    waveforms = 0.1 * np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = crop_logits(engine, waveforms, sample_rate)
    assert found.clips.dtype == found.frames.dtype == np.float32
    for number, waveform in enumerate(waveforms):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, waveform, sample_rate, subtype="FLOAT")
        expected = Recognizer(engine).frame_scores(path)
        np.testing.assert_allclose(found.clips[number], expected.clip().logits, atol=2e-5)
        np.testing.assert_allclose(found.frames[number], expected.logits, atol=2e-5)
        np.testing.assert_allclose(found.grid.boundaries_s, expected.grid.boundaries_s, atol=1e-12)


def test_an_encoder_has_no_logits(one_second_config: ModelConfig) -> None:
    card = ModelCard(LabelSet(()), "multi_label", EventRules(()))
    network = torch.nn.Module()
    network.config = one_second_config  # type: ignore[assignment]
    encoder = TorchEngine(Model(network, card), "encoder", "cpu")  # type: ignore[arg-type]
    with pytest.raises(HtsatError, match="model 'encoder' has no classes: it can only embed"):
        crop_logits(encoder, np.zeros((1, 8_000), np.float32), 8_000)
