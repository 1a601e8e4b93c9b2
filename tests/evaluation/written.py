"""An engine that reads the logits of its frames from the samples: what it hears can be written by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import soundfile

from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.labels import LabelSet
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray, Task

SAMPLE_RATE = 3_200
FRAME_SAMPLES = 1_000
FRAME_S = 0.3125
N_FRAMES = 32
AUDIOSET = LabelSet.named("audioset")
_SCALE = 100.0
_UNHEARD = -20.0


class WritingEngine:
    """Clips of 10 s in 32 frames, or a multiple; the logit of class `k` is sample `k` of its frame."""

    def __init__(self, labels: LabelSet, task: Task, name: str, offset: float, ratio: int) -> None:
        self._offset, self._ratio = offset, ratio
        self.description = ModelDescription(
            name=name,
            labels=labels,
            task=task,
            rules=EventRules((0.25,) * len(labels)),
            sample_rate=SAMPLE_RATE,
            clip_samples=N_FRAMES * FRAME_SAMPLES,
            n_frames=N_FRAMES * ratio,
            n_coarse_frames=N_FRAMES,
            embedding_dim=2,
        )

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        frames = clips.reshape(len(clips), N_FRAMES, FRAME_SAMPLES)
        logits = (frames[..., : len(self.description.labels)] * _SCALE + self._offset).astype(np.float32)
        embedding = np.zeros((len(clips), N_FRAMES, 2), np.float32)
        return EngineOutput(logits.repeat(self._ratio, axis=1), logits, embedding[:, 0], embedding)


def written_model(
    labels: LabelSet = AUDIOSET,
    task: Task = "multi_label",
    name: str = "written",
    offset: float = 0.0,
    ratio: int = 1,
) -> Recognizer:
    engine = WritingEngine(labels, task, name, offset, ratio)
    return Recognizer(engine, batch_size=2, overlap=0.0, short="pad")


def logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))


Heard = Mapping[str, Mapping[int, float]]
"""Probabilities of classes in frames; elsewhere next to nothing."""


def write(path: Path, duration_s: float, heard: Heard, labels: LabelSet = AUDIOSET) -> Path:
    """A recording in which a model hears this."""
    n_samples = round(duration_s * SAMPLE_RATE)
    frames = np.zeros((-(-n_samples // FRAME_SAMPLES), FRAME_SAMPLES), np.float32)
    frames[:, : len(labels)] = _UNHEARD / _SCALE
    for label, probabilities in heard.items():
        for frame, probability in probabilities.items():
            frames[frame, labels.index(label)] = logit(probability) / _SCALE
    soundfile.write(path, frames.ravel()[:n_samples], SAMPLE_RATE, subtype="FLOAT")
    return path


def frames(probability: float, first: int, stop: int) -> dict[int, float]:
    return dict.fromkeys(range(first, stop), probability)


Model = Callable[..., Recognizer]
