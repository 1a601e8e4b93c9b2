"""Recordings end to end on one axis of frames: what is done to each of them is done to all at once.

Between them, and at both ends, lie silent frames, so many that no rule reaches from one into another.

R recordings, N frames of the axis, K classes, M frames of recordings, T frames of one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.evaluation.event_curves import EventCurves
from htsat.metrics.pairing import spread
from htsat.scores import FloatArray, FrameGrid

Indices = NDArray[np.intp]

FRAMES_AT_ONCE = 2**20
"""Of all classes that are looked at together; bounds the memory."""


class Part(NamedTuple):
    """A stretch of the axis where all frames are equally long, and how many the longest recording there has.

    Only a recording of a single frame has one of another length.
    """

    frames: slice
    frame_s: float
    n_longest: int


@dataclass(frozen=True, eq=False)
class Layout:
    """Where recordings lie on the axis.

    - `starts`, `stops` `(R,)`: the frames of each.
    - `recordings` `(N,)`: which recording a frame belongs to; silent ones to any.
    - `boundaries_s` `(N + 1,)`: the times of its boundaries of frames, 0 elsewhere.
    """

    starts: Indices
    stops: Indices
    recordings: Indices
    boundaries_s: NDArray[np.float64]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, grids: Sequence[FrameGrid], longest_s: float = 0.0, n_sides: int = 1) -> Layout:
        """Recordings so far apart that `n_sides` times the longest rule fits between; at least one."""
        lengths = np.array([grid.n_frames for grid in grids])
        frames_s = np.array([grid.durations_s[0] for grid in grids])
        longest = {
            frame_s: int(lengths[frames_s == frame_s].max()) for frame_s in np.unique(frames_s).tolist()
        }
        n_between = n_sides * max(
            min(math.ceil(longest_s / frame_s) + 2, n_longest + 1) for frame_s, n_longest in longest.items()
        )
        order = np.argsort(frames_s, kind="stable")
        stops = np.empty_like(lengths)
        stops[order] = np.cumsum(lengths[order] + n_between)
        starts = stops - lengths
        n_all = int(stops.max()) + n_between
        recordings, boundaries_s = np.zeros(n_all, np.intp), np.zeros(n_all + 1)
        for number, grid in enumerate(grids):
            recordings[starts[number] : stops[number]] = number
            boundaries_s[starts[number] : stops[number] + 1] = grid.boundaries_s
        parts = []
        for frame_s, n_longest in longest.items():
            own = frames_s == frame_s
            frames = slice(int(starts[own].min()) - n_between, int(stops[own].max()) + n_between)
            parts.append(Part(frames, frame_s, n_longest))
        return cls(starts, stops, recordings, boundaries_s, tuple(parts))

    @property
    def n_frames(self) -> int:
        """N."""
        return len(self.recordings)

    @cached_property
    def inside(self) -> tuple[Indices, Indices, Indices]:
        """The frames of recordings in order, and where the recording of each begins and ends, `(M,)`."""
        order = np.argsort(self.starts)
        lengths = self.stops - self.starts
        begins, ends = (np.repeat(edges[order], lengths[order]) for edges in (self.starts, self.stops))
        return spread(order, self.starts[order], self.stops[order]).seconds, begins, ends

    def row(self, columns: Sequence[FloatArray], index: int) -> FloatArray:
        """One class of all recordings, `(T, K)` each, on the axis: `(N,)`, 0 where it is silent."""
        row = np.zeros(self.n_frames, np.float32)
        for start, stop, own in zip(self.starts, self.stops, columns, strict=True):
            row[start:stop] = own[:, index]
        return row


@dataclass(frozen=True, eq=False)
class Strip:
    """The curves of all recordings: `rows` `(K, N)`. See `event_curves`."""

    rows: FloatArray
    layout: Layout

    @classmethod
    def of(cls, curves: Sequence[EventCurves]) -> Strip:
        """The curves of recordings that have some."""
        layout = Layout.of([curve.grid for curve in curves])
        columns = [curve.probabilities for curve in curves]
        return cls(np.stack([layout.row(columns, index) for index in range(columns[0].shape[1])]), layout)

    def loudest(self) -> FloatArray:
        """The highest value of every recording and class, `(R, K)`."""
        order = np.argsort(self.layout.starts)
        loudest = np.empty((len(order), len(self.rows)), np.float32)
        loudest[order] = np.maximum.reduceat(self.rows, self.layout.starts[order], axis=1).T
        return loudest


def class_blocks(n_classes: int, n_frames: int) -> Iterator[Indices]:
    """Classes that are looked at together when each has so many frames."""
    size = max(1, FRAMES_AT_ONCE // max(n_frames, 1))
    for start in range(0, n_classes, size):
        yield np.arange(start, min(start + size, n_classes))
