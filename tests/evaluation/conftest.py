"""An engine without a network: each class is a pitch, and its logits tell how loud that pitch is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.data.manifest import Clip, Manifest
from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.evaluation.frame_scores import ScoredClips
from htsat.labels import LabelSet
from htsat.metrics.event_table import EventTable
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray, FrameGrid, FrameScores, SoundEvent, Task

SAMPLE_RATE = 8_000
SCORED_FRAME_S = 0.1
LENGTHS_S = {"bark": (0.3, 0.6), "hum": (1.5, 3.0), "ring": (0.5, 1.2), "siren": (1.0, 2.0)}
SOUNDS = LabelSet(tuple(LENGTHS_S))
PITCHES_HZ = {"low": 200, "middle": 600, "high": 1800}


class PitchEngine:
    """1 s clips at 8 kHz, 4 frames; `offset` moves the logits, and with them multi-label probabilities."""

    def __init__(self, labels: tuple[str, ...], task: Task, name: str, offset: float) -> None:
        self._offset = offset
        self.description = ModelDescription(
            name=name,
            labels=LabelSet(labels),
            task=task,
            rules=EventRules.usual((0.5,) * len(labels)),
            sample_rate=SAMPLE_RATE,
            clip_samples=SAMPLE_RATE,
            n_frames=4,
            n_coarse_frames=4,
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
        return EngineOutput(logits, logits, embedding[:, 0], embedding)


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


@pytest.fixture(scope="session")
def scored_clips() -> Callable[..., ScoredClips]:
    """Recordings with scores that follow their true events more or less, in frames of 0.1 s.

    There are events of three classes; of the last there is but one. Scores are noisy, and the noise flickers.
    """

    def make(n_recordings: int = 6, duration_s: float = 5.0, seed: int = 0) -> ScoredClips:
        rng = np.random.default_rng(seed)
        names = [f"{number}" for number in range(n_recordings)]
        true = {name: _events(rng, duration_s, is_first=name == "0") for name in names}
        reference = EventTable.of(true, names, SOUNDS).merged()
        scores = tuple(_scores(rng, true[name], duration_s) for name in names)
        targets = np.zeros((n_recordings, len(SOUNDS)), np.float32)
        targets[reference.recordings, reference.classes] = 1
        clips = tuple(Clip(Path(f"{name}.wav"), ()) for name in names)
        return ScoredClips(clips, scores, reference, targets)

    return make


def _events(rng: np.random.Generator, duration_s: float, *, is_first: bool) -> list[SoundEvent]:
    events = []
    for label, (shortest_s, longest_s) in LENGTHS_S.items():
        for _ in range(rng.integers(3) if label != "siren" else int(is_first)):
            length_s = rng.uniform(shortest_s, longest_s)
            onset_s = rng.uniform(0, duration_s - length_s)
            events.append(SoundEvent(label, onset_s, onset_s + length_s, 1.0))
    return events


def _scores(rng: np.random.Generator, events: list[SoundEvent], duration_s: float) -> FrameScores:
    n_frames = int(np.ceil(duration_s / SCORED_FRAME_S - 1e-9))
    grid = FrameGrid.regular(n_frames, SCORED_FRAME_S, duration_s)
    logits: FloatArray = rng.normal(-2.5, 1.2, (n_frames, len(SOUNDS))).astype(np.float32)
    middles_s = grid.boundaries_s[:-1] + grid.durations_s / 2
    for event in events:
        inside = (middles_s > event.onset_s) & (middles_s < event.offset_s)
        logits[inside, SOUNDS.index(event.label)] += 4
    clip_logits = np.broadcast_to(logits.max(axis=0) - 2, logits.shape).astype(np.float32)
    return FrameScores(logits, clip_logits, grid, SOUNDS, "multi_label")
