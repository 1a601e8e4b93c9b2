"""The first stage: recordings become sound on processors of the cluster, some seconds ahead of who listens.

    recordings of a unit ─ lanes: every n-th one is decoded by the n-th task ─► stretches of samples and ends
         └─ the worker of the unit takes them in turn ─► the blocks of each recording

A task waits while what it decoded is not yet taken: that is Ray's back-pressure for streams of results. When
the process of a task dies, Ray starts it again, and the worker goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

from htsat.audio import Opener, open_audio
from htsat.audio.stream import name_of
from htsat.bulk.run import fault_of_the_machine
from htsat.errors import AudioError, HtsatError, last_line
from htsat.scores import FloatArray

Recording = Path | Opener
Blocks = Iterator[FloatArray]
"""Samples `(n,)` of a recording; ends with its error if it has one."""
Decode = Callable[[Sequence[Recording], int], AbstractContextManager[Iterator[Blocks]]]
"""The blocks of each recording at a sample rate, which must be taken in this order."""

_PORTION_BYTES = 4 * 2**20
"""Samples that travel together: half a minute, or some short recordings."""
_PORTIONS_AHEAD = 3
_RETRIES = 3
"""How often a task is begun anew when its process dies: a recording that kills it must not do so for ever."""


class LaneError(Exception):
    """A task ended before its recordings; which of them is to blame is not certain, so none has failed."""


class End(NamedTuple):
    """A recording is over, or nothing more of it can be had."""

    error: Exception | None = None


class Place(NamedTuple):
    """Where a stream of recordings is: how many have ended, and how many samples of the next have come."""

    n_ended: int = 0
    n_samples: int = 0

    def after(self, content: FloatArray | End) -> Place:
        """Where it is one block, or an end, later."""
        if isinstance(content, End):
            return Place(self.n_ended + 1)
        return Place(self.n_ended, self.n_samples + len(content))


class Portion(NamedTuple):
    """Consecutive blocks and ends of recordings that follow each other, and where the first one stands."""

    begins: Place
    contents: Sequence[FloatArray | End]


def portions_of(recordings: Iterable[Recording], sample_rate: int, n_bytes: int) -> Iterator[Portion]:
    """The sound of recordings one after the other, in portions of about so many bytes."""
    contents: list[FloatArray | End] = []
    begins = place = Place()
    n_waiting = 0
    for content in _contents(recordings, sample_rate):
        contents.append(content)
        place = place.after(content)
        n_waiting += 0 if isinstance(content, End) else content.nbytes
        if n_waiting >= n_bytes:
            yield Portion(begins, contents)
            contents, begins, n_waiting = [], place, 0
    if contents:
        yield Portion(begins, contents)


def _contents(recordings: Iterable[Recording], sample_rate: int) -> Iterator[FloatArray | End]:
    for recording in recordings:
        try:
            with open_audio(recording, sample_rate) as audio:
                yield from audio.blocks()
        except HtsatError as error:
            # Where an error comes from does not travel, so it is looked into here.
            yield End(fault_of_the_machine(error) or AudioError(str(error)))
        else:
            yield End()


@dataclass(frozen=True)
class Lanes:
    """Decodes with so many tasks of Ray; relative paths begin at a folder that all machines see."""

    n: int
    folder: str

    @contextmanager
    def decode(self, recordings: Sequence[Recording], sample_rate: int) -> Iterator[Iterator[Blocks]]:
        """The blocks of each recording in turn; see `Decode`. The tasks end with the block."""
        with ExitStack() as tasks:
            lanes = [
                tasks.enter_context(self._lane(recordings[first :: self.n], sample_rate))
                for first in range(min(self.n, len(recordings)))
            ]
            yield in_turn(lanes, len(recordings))

    @contextmanager
    def _lane(self, recordings: Sequence[Recording], sample_rate: int) -> Iterator[Iterator[Portion]]:
        import ray

        task: Any = ray.remote(_decode_in).options(
            num_cpus=1,
            num_returns="streaming",
            max_retries=_RETRIES,
            _generator_backpressure_num_objects=_PORTIONS_AHEAD,
        )
        references = task.remote(self.folder, recordings, sample_rate)
        try:
            yield _received(references, recordings)
        finally:
            ray.cancel(references)


def _received(references: Iterable[Any], recordings: Sequence[Recording]) -> Iterator[Portion]:
    """What a task of Ray made of recordings.

    A task that was begun anew must give the same again: what was not taken before is put behind what was.
    """
    import ray
    from ray.exceptions import RayError

    place = Place()
    for reference in references:
        name = name_of(recordings[place.n_ended])
        try:
            portion: Portion = ray.get(reference)
        except RayError as error:
            raise LaneError(f"decoding ended at {name}: {last_line(error)}") from error
        if portion.begins != place:
            raise LaneError(f"{name} or what is before it gave other sound when it was decoded again")
        for content in portion.contents:
            place = place.after(content)
        yield portion


def _decode_in(folder: str, recordings: Sequence[Recording], sample_rate: int) -> Generator[Any, None, None]:
    """What a task does, in a process of its own."""
    os.chdir(folder)
    yield from portions_of(recordings, sample_rate, _PORTION_BYTES)


def in_turn(lanes: Sequence[Iterable[Portion]], n_recordings: int) -> Iterator[Blocks]:
    """The blocks of each recording, the next of which is on the next lane; all of them must be taken."""
    streams = [(content for portion in lane for content in portion.contents) for lane in lanes]
    for stream in islice(cycle(streams), n_recordings):
        yield _until_end(stream)


def _until_end(contents: Iterator[FloatArray | End]) -> Blocks:
    for content in contents:
        if not isinstance(content, End):
            yield content
        elif content.error is not None:
            raise content.error
        else:
            return
    raise RuntimeError("the sound of a recording has no end")
