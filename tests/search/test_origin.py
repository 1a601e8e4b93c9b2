"""Which models an index is for: the same network in any file, and no other."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import htsat
from htsat.errors import ConfigError
from htsat.files import sha256
from htsat.formats.embeddings import Origin
from htsat.recognition.silence import GatedEngine
from htsat.search.origin import are_alike, origin_of, probe, require_same_model

MODELS = Path(htsat.__file__).parent / "models"


@pytest.fixture(scope="module")
def packaged():
    """The packaged model from both of its files."""
    pytest.importorskip("torch")
    return {
        MODELS / "nano-esc50.safetensors": htsat.load(engine="torch", n_threads=1).engine,
        MODELS / "nano-esc50.onnx": htsat.load(engine="onnx", n_threads=1).engine,
    }


def test_both_files_of_the_packaged_model_go_together(packaged):
    for file, engine in packaged.items():
        origin = origin_of(engine, file, "clip", 0.5)
        assert origin.sha256 == sha256(file)
        assert (origin.model, origin.span_s, origin.version) == ("nano-esc50", 5.0, htsat.__version__)
        for other_file, other in packaged.items():
            require_same_model(Path("x.npy"), origin, other, other_file)


def test_frames_have_a_shorter_span(packaged):
    (file, engine), *_ = packaged.items()
    assert origin_of(engine, file, "frame", 0.0).span_s == 0.3125


def test_a_gate_changes_nothing(packaged):
    for engine in packaged.values():
        np.testing.assert_array_equal(probe(GatedEngine(engine, gate_dbfs=0.0)), probe(engine))


def test_another_model_is_refused(packaged):
    (file, engine), (other_file, _) = packaged.items()
    origin = origin_of(engine, file, "clip", 0.5)
    moved = [value + 0.1 * max(origin.probe) for value in origin.probe]
    other = dataclasses.replace(origin, probe=tuple(moved), model="better")
    with pytest.raises(
        ConfigError, match=r"x.npy was made by model 'better', whose .* not those of 'nano-esc"
    ):
        require_same_model(Path("x.npy"), other, engine, other_file)


def test_probes_are_compared_up_to_rounding():
    origin = Origin("m", "", "clip", 1.0, 0.5, (1.0, -2.0, 0.0), "0.1.0")
    assert are_alike(origin, np.array([1.01, -2.0, 0.03], np.float32))
    assert not are_alike(origin, np.array([1.05, -2.0, 0.0], np.float32))
    assert not are_alike(origin, np.array([1.0, -2.0], np.float32))
    assert not are_alike(origin, np.array([1.0, np.nan, 0.0], np.float32))
