"""From the network's answers about one recording to what a user asks for: scores, tags, events, embeddings.

Axes: T frames, K classes, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from htsat.engines.protocol import ModelDescription
from htsat.recognition.clips import ClipPlan, Stitched, Stitcher
from htsat.recognition.events import EventFinder
from htsat.recognition.inference import Answer, scores_of
from htsat.rules import EventRules
from htsat.scores import ClipScores, FloatArray, FrameGrid, FrameScores, Seconds, SoundEvent, in_order


class Hearing(NamedTuple):
    """What was heard in one recording, and how much of it: all that was readable."""

    duration_s: float
    clip_scores: ClipScores
    events: list[SoundEvent]


Per = Literal["clip", "frame"]
"""What gets an embedding: every clip that the network hears, or every frame of the recording."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors `(n, D)` of consecutive stretches of a recording that begin at `starts_s` `(n,)`.

    `stop_s` is where the recording, as far as it was heard, ends.
    """

    vectors: FloatArray
    starts_s: Seconds
    stop_s: float

    @classmethod
    def joined(cls, pieces: Iterable[Embeddings]) -> Embeddings:
        """One after the other."""
        parts = list(pieces)
        vectors = np.concatenate([part.vectors for part in parts])
        return cls(vectors, np.concatenate([part.starts_s for part in parts]), parts[-1].stop_s)


def stitched_scores(
    answers: Iterable[Answer], plan: ClipPlan, model: ModelDescription
) -> Iterator[FrameScores]:
    """Consecutive frames of a recording, as soon as no later answer can change them."""
    tagging = Stitcher(plan, len(model.labels))
    frames = Stitcher(plan.in_frames(model.n_frames), len(model.labels))
    for clips, output in answers:
        coarse = tagging.add(clips, output.tagging_logits)
        fine = frames.add(clips, output.frame_logits)
        if fine.grid.n_frames:
            yield scores_of(fine, coarse, model)
    yield scores_of(frames.finish(), tagging.finish(), model)


def joined_scores(pieces: Iterable[FrameScores]) -> FrameScores:
    """The scores of consecutive stretches of one recording as one value."""
    parts = list(pieces)
    ends = [part.grid.boundaries_s[1:] for part in parts]
    return FrameScores(
        logits=np.concatenate([part.logits for part in parts]),
        clip_logits=np.concatenate([part.clip_logits for part in parts]),
        grid=FrameGrid(np.concatenate([parts[0].grid.boundaries_s[:1], *ends])),
        labels=parts[0].labels,
        task=parts[0].task,
        tagging_logits=np.concatenate([part.tagged_by for part in parts]),
    )


def event_finder(rules: EventRules, model: ModelDescription) -> EventFinder:
    """What finds the events of one recording; refuses rules that do not fit the model (`ConfigError`)."""
    return EventFinder(model.labels, rules, model.frame_s)


def hearing_of(pieces: Iterable[FrameScores], rules: EventRules, model: ModelDescription) -> Hearing:
    """Tags and events of a recording, from the scores of consecutive stretches."""
    finder = event_finder(rules, model)
    mean = _RunningMean(model)
    events: list[SoundEvent] = []
    for scores in pieces:
        mean.push(scores)
        events += finder.push(scores)
    events += finder.finish()
    return Hearing(mean.duration_s, mean.clip_scores(), in_order(events, model.labels))


def clip_scores_of(pieces: Iterable[FrameScores], model: ModelDescription) -> ClipScores:
    """The scores of a recording as a whole: the mean of its frame logits over time."""
    mean = _RunningMean(model)
    for scores in pieces:
        mean.push(scores)
    return mean.clip_scores()


class _RunningMean:
    """The mean of frame logits over time, and how much time that was."""

    def __init__(self, model: ModelDescription) -> None:
        self._model = model
        self._sum = np.zeros(len(model.labels))
        self.duration_s = 0.0

    def push(self, scores: FrameScores) -> None:
        self._sum += scores.tagging_sum()
        self.duration_s = float(scores.grid.boundaries_s[-1])

    def clip_scores(self) -> ClipScores:
        logits = (self._sum / self.duration_s).astype(np.float32)
        return ClipScores(logits, self._model.labels, self._model.task)


def embeddings_in(
    answers: Iterable[Answer], plan: ClipPlan, model: ModelDescription, per: Per
) -> Iterator[Embeddings]:
    """Consecutive embeddings of a recording: of its clips, or stitched like scores of its frames."""
    if per == "clip":
        for clips, output in answers:
            starts_s = np.array([clip.start / model.sample_rate for clip in clips])
            stop_s = (clips[-1].start + clips[-1].n_samples) / model.sample_rate
            yield Embeddings(output.embedding, starts_s, stop_s)
        return
    stitcher = Stitcher(plan, model.embedding_dim)
    for clips, output in answers:
        yield _embeddings(stitcher.add(clips, output.frame_embedding))
    yield _embeddings(stitcher.finish())


def _embeddings(part: Stitched) -> Embeddings:
    return Embeddings(part.values, part.grid.boundaries_s[:-1], float(part.grid.boundaries_s[-1]))
