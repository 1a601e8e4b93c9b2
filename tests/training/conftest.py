"""A network, recordings and settings that train in a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.data.augment import WaveformAugmentation
from htsat.training.experiment import Experiment, Optimisation
from htsat.training.mixing import Mixup, SpecAugment

SAMPLE_RATE = 8_000
CLIP_SAMPLES = SAMPLE_RATE // 2


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Twelve high and twelve low noisy tones, half a second each."""
    rng = np.random.default_rng(0)
    time_s = np.arange(CLIP_SAMPLES) / SAMPLE_RATE
    for label, pitch_hz in (("high", 2_000), ("low", 300)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for take in range(12):
            tone = np.sin(2 * np.pi * pitch_hz * rng.uniform(0.8, 1.2) * time_s)
            noisy = 0.3 * tone + 0.01 * rng.standard_normal(CLIP_SAMPLES)
            soundfile.write(tmp_path / "data" / label / f"{take}-{label}.wav", noisy, SAMPLE_RATE)
    return tmp_path / "data"


@pytest.fixture
def experiment(recordings: Path) -> Callable[..., Experiment]:
    """Maker of settings for the recordings; its arguments replace some of them."""
    return partial(_experiment, data=str(recordings))


def _experiment(**changes: object) -> Experiment:
    settings: dict[str, object] = {
        "precision": "32-true",
        "device": "cpu",
        "valid_share": 0.25,
        "log_every": 1,
        "optimisation": Optimisation(
            epochs=6, batch_size=8, learning_rate=5e-3, warmup_clips=16, ema_decay=0.8, optimizer="muon"
        ),
        "augmentation": WaveformAugmentation(speed=1.05),
        "mixup": Mixup(probability=0.3),
        "spec_augment": SpecAugment(max_time_frames=4, max_mel_bins=2),
    }
    return Experiment(**{**settings, **changes})  # type: ignore[arg-type]
