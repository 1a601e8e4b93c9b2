"""The recogniser: audio in, tags, events, scores and embeddings out, whatever engine runs the network.

Axes: B clips, T frames, K classes, D embedding.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Self, TypeVar

from htsat.audio import array_blocks
from htsat.audio.stream import name_of
from htsat.engines.protocol import Engine, ModelDescription
from htsat.errors import ConfigError, HtsatError
from htsat.recognition.clips import ClipPlan, Short, TooShortError, cut
from htsat.recognition.hearing import (
    Embeddings,
    Hearing,
    Per,
    clip_scores_of,
    embeddings_in,
    event_finder,
    hearing_of,
    joined_scores,
    stitched_scores,
)
from htsat.recognition.inference import Answer, NonFiniteScoresError, infer, require_classes
from htsat.recognition.live import LiveDetector
from htsat.recognition.pipeline import Piece, Source, cut_ahead, hear, one_by_one
from htsat.rules import EventRules
from htsat.scores import ClipScores, FloatArray, FrameScores, SoundEvent, Tag

T = TypeVar("T")


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
    def batch_size(self) -> int:
        """Clips that run together."""
        return self._batch_size

    def through(self, engine: Engine) -> Self:
        """The same way of listening with another engine."""
        twin = copy.copy(self)
        twin.engine = engine
        return twin

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
        return joined_scores(self.score_blocks(blocks))

    def frame_scores(self, source: str | Path) -> FrameScores:
        """The scores of every frame of a file."""
        return _only(self.score_all([source]))

    def hear(self, source: str | Path, rules: EventRules | None = None) -> Hearing:
        """Tags and events of a file in one pass, with the duration that was heard."""
        return _only(self.hear_all([source], rules))

    def hear_all(
        self, sources: Iterable[str | Source], rules: EventRules | None = None, *, jobs: int = 1
    ) -> Generator[Hearing | HtsatError, None, None]:
        """Tags and events of many files or streams, in their order, each as soon as it has been heard.

        A source that cannot be heard gives its error in place of a result. `jobs` threads decode ahead of the
        network, each of them at most two batches; clips of successive sources share batches.

        Raises:
            HtsatError: at once, when the rules do not fit, or the model has no classes.
        """
        model, chosen = self.description, rules or self.default_rules
        event_finder(chosen, model)  # refuses rules that do not fit
        return self._score_each(sources, lambda scores: hearing_of(scores, chosen, model), jobs)

    def score_all(
        self, sources: Iterable[str | Source], *, jobs: int = 1
    ) -> Generator[FrameScores | HtsatError, None, None]:
        """The scores of every frame of many sources; see `hear_all`."""
        return self._score_each(sources, joined_scores, jobs)

    def embed_all(
        self, sources: Iterable[str | Source], per: Per = "clip", *, jobs: int = 1
    ) -> Generator[Embeddings | HtsatError, None, None]:
        """The embeddings of many sources; see `hear_all`."""
        return self._each(sources, lambda answers: Embeddings.joined(self._embeddings(answers, per)), jobs)

    def hear_blocks(self, blocks: Iterable[FloatArray], rules: EventRules | None = None) -> Hearing:
        """Tags and events of a stream of samples; blocks as for `score_blocks`."""
        return hearing_of(self.score_blocks(blocks), rules or self.default_rules, self.description)

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
        return _only(self._score_each([source], lambda scores: clip_scores_of(scores, self.description), 1))

    def embeddings(self, source: str | Path, per: Per = "clip") -> Embeddings:
        """The embeddings of a file with the times where their clips or frames begin."""
        return _only(self.embed_all([source], per))

    def score_blocks(self, blocks: Iterable[FloatArray]) -> Iterator[FrameScores]:
        """Score a stream: consecutive frames, with boundaries in seconds from its beginning.

        Shape: blocks `(n,)` of any length, mono, at the model's sample rate.

        Raises:
            HtsatError: when the model has no classes.
            TooShortError: when the stream is shorter than 20 ms.
            NonFiniteScoresError: when the network's answer is not finite.
        """
        require_classes(self.description)
        yield from self._scores(self._answers(blocks))

    def embed_blocks(self, blocks: Iterable[FloatArray], per: Per = "clip") -> Iterator[Embeddings]:
        """Embed a stream, some clips or frames at a time; blocks and errors as for `score_blocks`."""
        return self._embeddings(self._answers(blocks), per)

    def _score_each(
        self, sources: Iterable[str | Source], conclude: Callable[[Iterator[FrameScores]], T], jobs: int
    ) -> Generator[T | HtsatError, None, None]:
        require_classes(self.description)
        return self._each(sources, lambda answers: conclude(self._scores(answers)), jobs)

    def _each(
        self, sources: Iterable[str | Source], conclude: Callable[[Iterator[Answer]], T], jobs: int
    ) -> Generator[T | HtsatError, None, None]:
        """What is concluded from the answers about each source, or why nothing is."""
        if jobs < 1:
            raise ConfigError(f"jobs must be at least 1, got {jobs}")
        named = [Path(source) if isinstance(source, str) else source for source in sources]
        return self._concluded(named, conclude, jobs)

    def _concluded(
        self, sources: list[Source], conclude: Callable[[Iterator[Answer]], T], jobs: int
    ) -> Generator[T | HtsatError, None, None]:
        with self._pieces(sources, jobs) as pieces:
            recordings = one_by_one(hear(self.engine, pieces, self._batch_size))
            for source, answers in zip(sources, recordings, strict=True):
                result: T | HtsatError
                try:
                    with _naming(source):
                        result = conclude(answers)
                except HtsatError as error:
                    result = error
                yield result

    def _pieces(self, sources: list[Source], jobs: int) -> AbstractContextManager[Iterator[Piece]]:
        """The clips and endings of all sources; whoever gets sound in another way replaces this."""
        # A batch of recordings of one clip each, with their endings.
        return cut_ahead(sources, self._plan, jobs, 2 * self._batch_size)

    def _answers(self, blocks: Iterable[FloatArray]) -> Iterator[Answer]:
        """The answers about one stream, which is read here and now."""
        clips = cut(blocks, self._plan)
        while batch := list(islice(clips, self._batch_size)):
            yield Answer(batch, infer(self.engine, batch))

    def _scores(self, answers: Iterable[Answer]) -> Iterator[FrameScores]:
        return stitched_scores(answers, self._plan, self.description)

    def _embeddings(self, answers: Iterable[Answer], per: Per) -> Iterator[Embeddings]:
        return embeddings_in(answers, self._plan, self.description, per)


def _only(results: Iterable[T | HtsatError]) -> T:
    """The one result there is, or its error raised."""
    [result] = results
    if isinstance(result, HtsatError):
        raise result
    return result


@contextmanager
def _naming(source: Source) -> Iterator[None]:
    """Errors of listening get the name of the recording, which those of reading have already."""
    try:
        yield
    except (TooShortError, NonFiniteScoresError) as error:
        raise type(error)(f"{name_of(source)}: {error}") from error
