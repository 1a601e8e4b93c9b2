"""An engine without a network: its logits are the log energy of each frame in a few bands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.labels import LabelSet
from htsat.rules import EventRules
from htsat.scores import FloatArray

SAMPLE_RATE = 3200
BANDS = ("rumble", "hum", "whistle", "hiss")


class BandEngine:
    """10 s clips at 3200 Hz, 32 frames. Classes are bands of 400 Hz; the embedding has the mean of each.

    With a fine head its frame logits are those of 160 frames.
    """

    def __init__(self, labels: tuple[str, ...] = BANDS, n_frames: int = 32) -> None:
        self.batch_sizes: list[int] = []
        self.description = ModelDescription(
            name="bands",
            labels=LabelSet(labels),
            task="multi_label",
            rules=EventRules.usual((0.5,) * len(labels)),
            sample_rate=SAMPLE_RATE,
            clip_samples=10 * SAMPLE_RATE,
            n_frames=n_frames,
            n_coarse_frames=32,
            embedding_dim=len(BANDS),
        )

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        self.batch_sizes.append(len(clips))
        n_classes = len(self.description.labels)
        fine = _band_logits(clips, self.description.n_frames)[..., :n_classes]
        coarse = _band_logits(clips, self.description.n_coarse_frames)
        return EngineOutput(fine, coarse[..., :n_classes], coarse.mean(axis=1), coarse)


def _band_logits(clips: FloatArray, n_frames: int) -> FloatArray:
    power = np.abs(np.fft.rfft(clips.reshape(len(clips), n_frames, -1))[..., 1:]) ** 2
    bands = power.reshape(*power.shape[:-1], len(BANDS), -1).mean(axis=-1)
    return np.log(bands + 1e-3).astype(np.float32)


@pytest.fixture
def engine() -> BandEngine:
    return BandEngine()


@pytest.fixture
def fine_engine() -> BandEngine:
    """A model with a fine head."""
    return BandEngine(n_frames=160)


@pytest.fixture
def encoder() -> BandEngine:
    """A model without classes."""
    return BandEngine(labels=())


@pytest.fixture
def noise() -> Callable[[float], FloatArray]:
    """White noise of so many seconds, the same at every call, loud and quiet in turns."""

    def make(duration_s: float) -> FloatArray:
        n_samples = round(duration_s * SAMPLE_RATE)
        loudness = 0.2 + np.sin(np.arange(n_samples) / SAMPLE_RATE) ** 2
        return (loudness * np.random.default_rng(7).standard_normal(n_samples)).astype(np.float32)

    return make
