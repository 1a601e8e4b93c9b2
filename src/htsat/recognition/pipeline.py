"""The clips of many recordings on their way through one network.

    sources ─ threads: open, decode, resample, cut ─► clips and endings, source after source
       └─ batches, whichever recordings the clips are of ─ engine ─► steps: answers and endings in that order
            └─ recording by recording ─► who listens

What is decoded and not yet heard is bounded in clips, whatever the number and length of the recordings. A
recording that breaks off ends with its error; those around it notice nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain, cycle, groupby
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple

from htsat.audio import Opener, open_audio
from htsat.engines.protocol import Engine
from htsat.errors import HtsatError
from htsat.recognition.ahead import Ahead
from htsat.recognition.clips import Clip, ClipPlan, cut
from htsat.recognition.inference import Answer, infer_apart

Source = Path | BinaryIO | Opener
"""A file, a stream that is read to its end when its turn comes, or what can be opened when its turn comes."""


class Ending(NamedTuple):
    """A recording is over: all of it was there or, with an error, no more of it can be had."""

    error: HtsatError | None = None


class Piece(NamedTuple):
    """A clip of a recording, or its ending; recordings are numbered in their order."""

    recording: int
    content: Clip | Ending


class Step(NamedTuple):
    """What one batch brings for a recording: an answer, its ending, or both."""

    recording: int
    answer: Answer | None
    ending: Ending | None


@contextmanager
def cut_ahead(
    sources: Sequence[Source], plan: ClipPlan, n_threads: int, n_ahead: int
) -> Iterator[Iterator[Piece]]:
    """The pieces of all sources in order, made by threads that end with the block.

    Each thread takes every `n_threads`-th file (or opener) and is at most `n_ahead` pieces ahead. Streams are
    read by who asks for their pieces, so that Ctrl-C ends a wait for them.
    """
    files = [source for source in sources if isinstance(source, Path | Opener)]
    with ExitStack() as threads:
        lanes = [
            threads.enter_context(closing(Ahead(_cut_each(files[first::n_threads], plan), n_ahead)))
            for first in range(min(n_threads, len(files)))
        ]
        yield threads.enter_context(closing(_in_turn(sources, lanes, plan)))


def _in_turn(
    sources: Sequence[Source], lanes: Sequence[Iterator[Clip | Ending]], plan: ClipPlan
) -> Generator[Piece, None, None]:
    turns = cycle(lanes)
    for number, source in enumerate(sources):
        contents = next(turns) if isinstance(source, Path | Opener) else _cut(source, plan)
        for content in contents:
            yield Piece(number, content)
            if isinstance(content, Ending):
                break


def _cut_each(files: Iterable[Source], plan: ClipPlan) -> Generator[Clip | Ending, None, None]:
    for file in files:
        yield from _cut(file, plan)


def _cut(source: Source, plan: ClipPlan) -> Iterator[Clip | Ending]:
    try:
        with open_audio(source, plan.sample_rate) as audio:
            yield from cut(audio.blocks(), plan)
    except HtsatError as error:
        yield Ending(error)
    else:
        yield Ending()


def hear(engine: Engine, pieces: Iterable[Piece], batch_size: int) -> Iterator[Step]:
    """Run the network on the clips of all recordings, `batch_size` at a time.

    Each recording has one ending. It comes early where a batch fails, or what is said about the recording's
    own clips is not finite; the rest of it is then passed over.
    """
    failed = None
    for batch in _batches(pieces, batch_size):
        wanted = [piece for piece in batch if piece.recording != failed]
        for step in _hear_together(engine, wanted):
            yield step
            if step.ending is not None and step.ending.error is not None:
                failed = step.recording


def _batches(pieces: Iterable[Piece], batch_size: int) -> Iterator[list[Piece]]:
    """Pieces with so many clips among them, and the endings that follow at once; fewer at the end."""
    batch: list[Piece] = []
    n_clips = 0
    for piece in pieces:
        is_clip = isinstance(piece.content, Clip)
        if is_clip and n_clips == batch_size:
            yield batch
            batch, n_clips = [], 0
        batch.append(piece)
        n_clips += is_clip
    if batch:
        yield batch


def _hear_together(engine: Engine, batch: Sequence[Piece]) -> Iterator[Step]:
    """A step for each recording in a batch."""
    shares = [_Share.of(list(pieces)) for _, pieces in groupby(batch, key=attrgetter("recording"))]
    groups = [share.clips for share in shares if share.clips]
    answers = iter(infer_apart(engine, groups) if groups else ())
    for recording, clips, ending in shares:
        answer = next(answers) if clips else None
        if isinstance(answer, HtsatError):
            yield Step(recording, None, Ending(answer))
        else:
            yield Step(recording, answer, ending)


class _Share(NamedTuple):
    """What belongs to one recording in a batch."""

    recording: int
    clips: list[Clip]
    ending: Ending | None

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> _Share:
        recording, last = pieces[-1]
        clips = [piece.content for piece in pieces if isinstance(piece.content, Clip)]
        return cls(recording, clips, last if isinstance(last, Ending) else None)


def one_by_one(steps: Iterator[Step]) -> Iterator[Iterator[Answer]]:
    """The answers of each recording, which end with its error if it has one; all of them must be taken."""
    for first in steps:
        yield _until_ending(chain([first], steps))


def _until_ending(steps: Iterator[Step]) -> Iterator[Answer]:
    for _, answer, ending in steps:
        if answer is not None:
            yield answer
        if ending is not None and ending.error is not None:
            raise ending.error
        if ending is not None:
            return
