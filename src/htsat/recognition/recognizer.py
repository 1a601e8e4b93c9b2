"""The recogniser: audio in, tags, events, scores and embeddings out, whatever engine runs the network.

Axes: B clips, T frames, K classes, D embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from htsat.audio import array_blocks, open_audio
from htsat.engines.protocol import Engine, EngineOutput, ModelDescription
from htsat.errors import ConfigError
from htsat.recognition.clips import Clip, ClipPlan, Short, Stitched, Stitcher, TooShortError, cut
from htsat.recognition.events import EventFinder
from htsat.recognition.inference import NonFiniteScoresError, infer, require_classes, scores_of
from htsat.recognition.live import LiveDetector
from htsat.rules import EventRules
from htsat.scores import ClipScores, FloatArray, FrameGrid, FrameScores, Seconds, SoundEvent, Tag, in_order


class Hearing(NamedTuple):
    """What was heard in one recording, and how much of it: all that was readable."""

    duration_s: float
    clip_scores: ClipScores
    events: list[SoundEvent]


Per = Literal["clip", "frame"]
"""What gets an embedding: every clip that the network hears, or every frame of the recording."""


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors `(n, D)` of consecutive stretches of a recording that begin at `starts_s` `(n,)`."""

    vectors: FloatArray
    starts_s: Seconds

    @classmethod
    def joined(cls, pieces: Iterable[Embeddings]) -> Embeddings:
        """One after the other."""
        parts = list(pieces)
        vectors = np.concatenate([part.vectors for part in parts])
        return cls(vectors, np.concatenate([part.starts_s for part in parts]))


class Recognizer:
    """Listens to recordings from 20 ms to many hours; memory does not grow with their length.

    `overlap` is the fraction that neighbouring clips share: more costs more and smooths more. `short`
    says what fills the clip of a recording that is shorter: its repetition (as the paper's data sets
    do) or zeros.

    Raises:
        ConfigError: when a setting is out of range.
    """

    def __init__(
        self, engine: Engine, *, batch_size: int = 8, overlap: float = 0.5, short: Short = "repeat"
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        self.engine = engine
        self._batch_size = batch_size
        self._plan = ClipPlan.for_model(engine.description, overlap, short)

    @property
    def description(self) -> ModelDescription:
        """Sizes, classes and rules of the model."""
        return self.engine.description

    @property
    def default_rules(self) -> EventRules:
        """The model's own rules."""
        return self.description.rules

    def tag(self, source: str | Path, top: int | None = None, min_probability: float = 0.0) -> list[Tag]:
        """The classes heard in a file as a whole, from the most to the least probable.

        Raises:
            HtsatError: when the file cannot be read, or the model has no classes.
        """
        return self.clip_scores(source).tags(top, min_probability)

    def detect(self, source: str | Path, rules: EventRules | None = None) -> list[SoundEvent]:
        """The sound events in a file, by onset.

        Raises:
            HtsatError: when the file cannot be read, the rules do not fit, or the model has no classes.
        """
        return self.hear(source, rules).events

    def embed(self, source: str | Path, per: Per = "clip") -> FloatArray:
        """One embedding for each clip that the network hears of a file, or for each frame, `(n, D)`."""
        return self.embeddings(source, per).vectors

    def scores(self, waveform: FloatArray, sample_rate: int) -> FrameScores:
        """The scores of every frame of a waveform at any sample rate."""
        blocks = array_blocks(waveform, sample_rate, self.description.sample_rate)
        return _joined(list(self.score_blocks(blocks)))

    def frame_scores(self, source: str | Path) -> FrameScores:
        """The scores of every frame of a file."""
        with self._blocks_of(source) as blocks:
            return _joined(list(self.score_blocks(blocks)))

    def hear(self, source: str | Path, rules: EventRules | None = None) -> Hearing:
        """Tags and events of a file in one pass, with the duration that was heard."""
        with self._blocks_of(source) as blocks:
            return self.hear_blocks(blocks, rules)

    def hear_blocks(self, blocks: Iterable[FloatArray], rules: EventRules | None = None) -> Hearing:
        """Tags and events of a stream of samples; blocks as for `score_blocks`."""
        finder = EventFinder(self.description.labels, rules or self.default_rules, self.description.frame_s)
        mean = _RunningMean(self.description)
        events: list[SoundEvent] = []
        for scores in self.score_blocks(blocks):
            mean.push(scores)
            events += finder.push(scores)
        events += finder.finish()
        return Hearing(mean.duration_s, mean.clip_scores(), in_order(events, self.description.labels))

    def listen(self, blocks: Iterable[FloatArray], rules: EventRules | None = None) -> Iterator[SoundEvent]:
        """The events of a stream that goes on: each once, when it has ended; blocks as for `score_blocks`.

        `live` makes the detector that does this, with other settings, and tells its delay.
        """
        return self.live(rules).listen(blocks)

    def live(
        self, rules: EventRules | None = None, *, hop_s: float | None = None, margin_s: float | None = None
    ) -> LiveDetector:
        """A detector for streams; `hop_s` and `margin_s` as for `LiveDetector`."""
        return LiveDetector(self.engine, rules, hop_s=hop_s, margin_s=margin_s, short=self._plan.short)

    def clip_scores(self, source: str | Path) -> ClipScores:
        """The scores of a file as a whole: the mean of its frame logits over time."""
        mean = _RunningMean(self.description)
        with self._blocks_of(source) as blocks:
            for scores in self.score_blocks(blocks):
                mean.push(scores)
        return mean.clip_scores()

    def embeddings(self, source: str | Path, per: Per = "clip") -> Embeddings:
        """The embeddings of a file with the times where their clips or frames begin."""
        with self._blocks_of(source) as blocks:
            return Embeddings.joined(self.embed_blocks(blocks, per))

    def score_blocks(self, blocks: Iterable[FloatArray]) -> Iterator[FrameScores]:
        """Score a stream: consecutive frames, with boundaries in seconds from its beginning.

        Shape: blocks `(n,)` of any length, mono, at the model's sample rate.

        Raises:
            HtsatError: when the model has no classes.
            TooShortError: when the stream is shorter than 20 ms.
            NonFiniteScoresError: when the network's answer is not finite.
        """
        description = self.description
        require_classes(description)
        tagging = Stitcher(self._plan, len(description.labels))
        frames = Stitcher(self._plan.in_frames(description.n_frames), len(description.labels))
        for clips, output in self._run(blocks):
            coarse = tagging.add(clips, output.tagging_logits)
            fine = frames.add(clips, output.frame_logits)
            if fine.grid.n_frames:
                yield scores_of(fine, coarse, description)
        yield scores_of(frames.finish(), tagging.finish(), description)

    def embed_blocks(self, blocks: Iterable[FloatArray], per: Per = "clip") -> Iterator[Embeddings]:
        """Embed a stream, some clips or frames at a time; blocks and errors as for `score_blocks`."""
        if per == "clip":
            for clips, output in self._run(blocks):
                yield Embeddings(output.embedding, np.array([self._start_s(clip) for clip in clips]))
            return
        stitcher = Stitcher(self._plan, self.description.embedding_dim)
        for clips, output in self._run(blocks):
            yield _embeddings(stitcher.add(clips, output.frame_embedding))
        yield _embeddings(stitcher.finish())

    @contextmanager
    def _blocks_of(self, source: str | Path) -> Iterator[Iterator[FloatArray]]:
        """The blocks of a file; errors of listening get its name, which those of reading have already."""
        with open_audio(Path(source), self.description.sample_rate) as audio:
            try:
                yield audio.blocks()
            except (TooShortError, NonFiniteScoresError) as error:
                raise type(error)(f"{source}: {error}") from error

    def _run(self, blocks: Iterable[FloatArray]) -> Iterator[tuple[list[Clip], EngineOutput]]:
        clips = cut(blocks, self._plan)
        while batch := list(islice(clips, self._batch_size)):
            yield batch, infer(self.engine, batch)

    def _start_s(self, clip: Clip) -> float:
        return clip.start / self.description.sample_rate


class _RunningMean:
    """The mean of frame logits over time, and how much time that was."""

    def __init__(self, description: ModelDescription) -> None:
        self._description = description
        self._sum = np.zeros(len(description.labels))
        self.duration_s = 0.0

    def push(self, scores: FrameScores) -> None:
        self._sum += scores.tagging_sum()
        self.duration_s = float(scores.grid.boundaries_s[-1])

    def clip_scores(self) -> ClipScores:
        logits = (self._sum / self.duration_s).astype(np.float32)
        return ClipScores(logits, self._description.labels, self._description.task)


def _joined(pieces: list[FrameScores]) -> FrameScores:
    """The scores of consecutive stretches of one recording as one value."""
    ends = [piece.grid.boundaries_s[1:] for piece in pieces]
    return FrameScores(
        logits=np.concatenate([piece.logits for piece in pieces]),
        clip_logits=np.concatenate([piece.clip_logits for piece in pieces]),
        grid=FrameGrid(np.concatenate([pieces[0].grid.boundaries_s[:1], *ends])),
        labels=pieces[0].labels,
        task=pieces[0].task,
        tagging_logits=np.concatenate([piece.tagged_by for piece in pieces]),
    )


def _embeddings(part: Stitched) -> Embeddings:
    return Embeddings(part.values, part.grid.boundaries_s[:-1])
