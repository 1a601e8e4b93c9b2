"""An engine without a network: each class is a pitch, and its logits tell how loud that pitch is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.data.manifest import Clip, Manifest
from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.labels import LabelSet
from htsat.recognition.recognizer import Recognizer
from htsat.scores import FloatArray, Task

SAMPLE_RATE = 8_000
PITCHES_HZ = {"low": 200, "middle": 600, "high": 1800}


class PitchEngine:
    """1 s clips at 8 kHz, 4 frames; `offset` moves the logits, and with them multi-label probabilities."""

    def __init__(self, labels: tuple[str, ...], task: Task, name: str, offset: float) -> None:
        self._offset = offset
        self.description = ModelDescription(
            name=name,
            labels=LabelSet(labels),
            task=task,
            thresholds=(0.5,) * len(labels),
            sample_rate=SAMPLE_RATE,
            clip_samples=SAMPLE_RATE,
            n_frames=4,
            embedding_dim=2,
        )

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        frames = clips.reshape(len(clips), 4, -1)
        if np.abs(frames).max() > 0.99:
            frames = frames * np.nan  # what is too loud breaks the network
        spectrum = np.abs(np.fft.rfft(frames))
        pitches = [PITCHES_HZ[label] // 4 for label in self.description.labels]
        logits = (0.1 * spectrum[..., pitches] - 3 + self._offset).astype(np.float32)
        embedding = np.zeros((len(clips), 4, 2), np.float32)
        return EngineOutput(logits, embedding[:, 0], embedding)


@pytest.fixture
def make_model() -> Callable[..., Recognizer]:
    def make(
        labels: tuple[str, ...] = ("low", "middle", "high"),
        task: Task = "multi_class",
        name: str = "pitches",
        offset: float = 0.0,
    ) -> Recognizer:
        return Recognizer(PitchEngine(labels, task, name, offset))

    return make


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recording of some pitches, one after the other or together, with a little noise."""

    def write(name: str, *pitches: str, duration_s: float = 1.0, loudness: float = 0.05) -> Path:
        time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
        rng = np.random.default_rng(len(name) + ord(name[0]))
        sound = 0.01 * rng.standard_normal(len(time_s))
        for pitch in pitches:
            sound += loudness * np.sin(2 * np.pi * PITCHES_HZ[pitch] * time_s)
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, sound, SAMPLE_RATE, subtype="FLOAT")
        return path

    return write


@pytest.fixture
def manifest(recording: Callable[..., Path]) -> Manifest:
    """Six clips of one class each, the last labelled wrongly; the model orders the classes differently."""
    pitches = ["low", "middle", "high", "low", "middle", "high"]
    labels = [*pitches[:-1], "low"]
    clips = [
        Clip(recording(f"{number}", pitch, duration_s=0.7 + 0.4 * number), (label,))
        for number, (pitch, label) in enumerate(zip(pitches, labels, strict=True))
    ]
    return Manifest(tuple(clips), LabelSet(("high", "low", "middle")))
