"""The scripts of `examples/` say what `htsat tag` says, without it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import htsat
from htsat.checkpoints import Model
from htsat.export.write import export_model
from htsat.labels import LabelSet

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = {"with_onnxruntime.py": "onnx", "with_openvino.py": "openvino"}
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}


def run(script, *arguments):
    """A script with `htsat` out of reach."""
    blocked = (
        "import runpy, sys; sys.modules['htsat'] = None; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    )
    command = [sys.executable, "-c", blocked, EXAMPLES / script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "noise.wav"
    noise = 0.1 * np.random.default_rng(2).standard_normal(4_000).astype(np.float32)
    soundfile.write(path, noise, 8_000, subtype="FLOAT")
    return path


MODELS = {
    "several classes at once": ("multi_label", 0),
    "one class": ("multi_class", 0),
    "fine frames": ("multi_label", 8),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, small_model, lively):
    task, fine_width = MODELS[request.param]
    config = dataclasses.replace(small_model.network.config, fine_width=fine_width)
    card = dataclasses.replace(small_model.card, labels=LabelSet(("dog", "rain", "wind")), task=task)
    return Model(lively(config), card)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_says_what_htsat_says(script, model, sound, tmp_path):
    path = tmp_path / f"model{SUFFIXES[SCRIPTS[script]]}"
    export_model(model, path, SCRIPTS[script])
    tags = htsat.load(path).tag(sound)
    done = run(script, path, sound)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"{tag.probability:.3f}  {tag.label}" for tag in tags]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_recording_of_another_rate_is_resampled(script, small_model, sound, tmp_path):
    path = tmp_path / f"model{SUFFIXES[SCRIPTS[script]]}"
    card = dataclasses.replace(small_model.card, labels=LabelSet(("dog", "rain", "wind")))
    export_model(small_model._replace(card=card), path, SCRIPTS[script])
    noise, rate = soundfile.read(sound)
    soundfile.write(tmp_path / "fast.wav", np.repeat(noise, 2), 2 * rate, subtype="FLOAT")
    (line, *_) = run(script, path, tmp_path / "fast.wav").stdout.splitlines()
    (tag, *_) = htsat.load(path).tag(tmp_path / "fast.wav")
    probability, _, label = line.partition("  ")
    assert label == tag.label
    assert float(probability) == pytest.approx(tag.probability, abs=0.01)
