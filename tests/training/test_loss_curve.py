"""The first losses of a small network stay what they were: numerics do not drift unnoticed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from htsat.data.augment import WaveformAugmentation
from htsat.training.experiment import Optimisation
from htsat.training.train import train

GOLDEN = Path(__file__).parent.parent / "golden" / "loss_curve.json"

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def half_second_config(half_second_config):
    """With shifted windows, and without stochastic depth, whose draws differ between machines."""
    return dataclasses.replace(half_second_config, depths=(2, 2))


def losses(recordings, run, settings):
    """Of every step."""
    train(settings, run)
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [event["loss"] for event in events if event["event"] == "step"]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_loss_curve_is_the_recorded_one(recordings, tmp_path, experiment, optimizer):
    optimisation = Optimisation(
        epochs=10, batch_size=12, learning_rate=2e-3, warmup_clips=60, optimizer=optimizer
    )
    # A speed of 1 leaves the resampling library out.
    augmentation = WaveformAugmentation(speed=1.0)
    settings = experiment(valid_share=0.0, optimisation=optimisation, augmentation=augmentation)
    golden = json.loads(GOLDEN.read_text())["curves"][optimizer]
    expected = pytest.approx(golden["losses"], rel=golden["relative_tolerance"])
    assert losses(recordings, tmp_path / "run", settings) == expected
