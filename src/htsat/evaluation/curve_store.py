"""The curves of many recordings in a file without a name, so that all of them need not be in memory.

Up to 64 MB they stay in memory; beyond, they lie in the folder for temporary files (`TMPDIR`), 4 bytes for
each frame and class. The file ends with the process, whatever happens to it.

T frames, K classes.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

import numpy as np

from htsat.evaluation.event_curves import EventCurves
from htsat.scores import FrameGrid

_MAX_MEMORY = 2**26


class _Entry(NamedTuple):
    """Where curves begin in the file, and their shape."""

    start: int
    n_frames: int
    n_classes: int


class CurveStore:
    """Keeps curves as they are, to the last bit; to be used by `with`."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_MAX_MEMORY)  # noqa: SIM115
        self._entries: list[_Entry] = []
        self._end = 0

    def __enter__(self) -> CurveStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, curves: EventCurves) -> StoredCurves:
        """Keep the curves of a recording, `(T, K)`."""
        self._file.seek(self._end)
        self._entries.append(_Entry(self._end, *curves.probabilities.shape))
        self._file.write(curves.grid.boundaries_s.astype(np.float64).tobytes())
        self._file.write(curves.probabilities.astype(np.float32).tobytes())
        self._end = self._file.tell()
        return StoredCurves(self, len(self._entries) - 1, float(curves.grid.boundaries_s[-1]))

    def __getitem__(self, index: int) -> EventCurves:
        """The curves that were added as number `index`."""
        entry = self._entries[index]
        self._file.seek(entry.start)
        boundaries_s = np.frombuffer(self._file.read(8 * (entry.n_frames + 1)), np.float64)
        rows = np.frombuffer(self._file.read(4 * entry.n_frames * entry.n_classes), np.float32)
        return EventCurves(rows.reshape(entry.n_frames, entry.n_classes), FrameGrid(boundaries_s))


@dataclass(frozen=True)
class StoredCurves:
    """The curves of one recording, read when they are asked for."""

    store: CurveStore
    index: int
    duration_s: float

    def read(self) -> EventCurves:
        """As they were added."""
        return self.store[self.index]
