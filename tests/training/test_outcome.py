"""What a run on strong labels stores and says of its events."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from htsat.checkpoints import ModelCard, save_model
from htsat.cli.learning import describe_outcome
from htsat.data.clip import Clip
from htsat.data.manifest import Manifest
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.processes import ALONE
from htsat.rules import EventRules
from htsat.training.outcome import EventFigures, Figures, Outcome, measure
from htsat.training.run import MODEL_NAME
from htsat.training.split import Split

LABELS = LabelSet(("bark", "hum", "ring"))


@pytest.fixture
def run(tmp_path: Path, one_second_config: ModelConfig) -> Path:
    """The folder of a run whose model nobody has trained; its rules say that all classes always sound."""
    torch.manual_seed(0)
    card = ModelCard(LABELS, "multi_label", EventRules((0.0, 0.0, 0.0)))
    save_model(tmp_path / "run" / MODEL_NAME, HTSAT(one_second_config), card)
    return tmp_path / "run"


@pytest.fixture
def strong(tmp_path: Path) -> Manifest:
    """Two recordings of 1 s: a bark throughout one of them, and in the middle of the other."""
    for name in ("a", "b"):
        noise = 0.1 * np.random.default_rng(0).standard_normal(8_000)
        soundfile.write(tmp_path / f"{name}.wav", noise, 8_000)
    events = tmp_path / "events.tsv"
    events.write_text("filename\tonset\toffset\tevent_label\na.wav\t0\t1\tbark\nb.wav\t0.25\t0.75\tbark\n")
    clips = tuple(Clip(tmp_path / f"{name}.wav", ("bark",), events=events) for name in ("a", "b"))
    return Manifest(clips, LABELS)


def test_a_run_on_strong_labels_stores_and_says_how_well_it_detects(run: Path, strong: Manifest) -> None:
    weak = strong.only([Clip(clip.path, clip.labels) for clip in strong.clips])
    outcome = measure(run, Split(strong, strong, weak), ALONE, "cpu")
    stored = json.loads((run / "held_out.json").read_text())
    assert outcome.held_out is not None
    assert outcome.test is not None
    # One of two barks is found with the collar, both by their intersections; PSDS1 is about scores.
    assert outcome.held_out.events == EventFigures(2, 0.5, 1.0, stored["psds1"], stored["psds2"])
    assert outcome.test.events is None


def test_the_figures_are_told_below_those_of_the_tags() -> None:
    figures = Figures(3, None, 0.5, EventFigures(2, 0.25, 0.5, 0.125, 0.75))
    lines = list(describe_outcome(Outcome(Path("model.safetensors"), figures, Figures(4, 1.0, 1.0))))
    assert lines == [
        "mAP 0.500 on held-out clips (3 clips)",
        "  events: collar F1 0.250, intersection F1 0.500, PSDS1 0.125, PSDS2 0.750 (2 with strong labels)",
        "accuracy 1.000, mAP 1.000 on the test fold (4 clips)",
        "model.safetensors",
    ]
