"""Units of work: consecutive recordings that are heard together; their results are there as a whole or not.

Where a unit ends is decided by the names and sizes of its recordings alone, so that a new one changes only
the unit that it falls into. The key of a unit says everything that its results depend on.
"""

from __future__ import annotations

import os
import pickle
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from htsat.bulk.inputs import Input

_KEY_BYTES = 16
_ABSENT = "absent"


class Cutting(NamedTuple):
    """How large units are: on average, and at most in recordings and (one recording more) in bytes."""

    n_average: int = 256
    n_most: int = 1024
    n_bytes: int = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Unit:
    """Recordings that follow each other; they are packed, as a run has a million of them."""

    key: str
    n_recordings: int
    n_bytes: int
    packed: bytes

    @property
    def inputs(self) -> list[Input]:
        """The recordings in their order."""
        unpacked: list[Input] = pickle.loads(zlib.decompress(self.packed))
        return unpacked


class State(NamedTuple):
    """What tells whether a recording has changed: its size and its time."""

    size: int
    changed: str

    @classmethod
    def of(cls, item: Input) -> State:
        """As it is now; a recording that is not there has a state too."""
        if item.opener is not None:
            return cls(item.opener.size, item.opener.changed)
        try:
            status = Path(item.title).stat()
        except OSError:
            return cls(0, _ABSENT)
        return cls(status.st_size, str(status.st_mtime_ns))


def cut_units(inputs: Iterable[Input], settings: str, cutting: Cutting) -> Iterator[Unit]:
    """All recordings in units; no recording may come twice.

    `settings` stands for all options that change results; it is a part of every key.
    """
    waiting = _Waiting()
    for item in inputs:
        waiting.add(item)
        if _ends(item, cutting) or waiting.is_full(cutting):
            yield waiting.unit(settings)
            waiting = _Waiting()
    if waiting.inputs:
        yield waiting.unit(settings)


class _Waiting:
    """The recordings of a unit that has no end yet."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self._states: list[State] = []
        self._n_bytes = 0

    def add(self, item: Input) -> None:
        self.inputs.append(item)
        self._states.append(State.of(item))
        self._n_bytes += self._states[-1].size

    def is_full(self, cutting: Cutting) -> bool:
        return len(self.inputs) >= cutting.n_most or self._n_bytes >= cutting.n_bytes

    def unit(self, settings: str) -> Unit:
        key = blake2b(settings.encode(), digest_size=_KEY_BYTES, person=b"htsat key")
        for item, (size, changed) in zip(self.inputs, self._states, strict=True):
            key.update(b"\0".join([os.fsencode(item.title), b"%d" % size, os.fsencode(changed), b""]))
        packed = zlib.compress(pickle.dumps(self.inputs, pickle.HIGHEST_PROTOCOL), level=1)
        return Unit(key.hexdigest(), len(self.inputs), self._n_bytes, packed)


def _ends(item: Input, cutting: Cutting) -> bool:
    """Whether a unit ends with this recording: one in `n_average` says so."""
    digest = blake2b(os.fsencode(item.title), digest_size=8, person=b"htsat unit").digest()
    return int.from_bytes(digest) % cutting.n_average == 0
