"""The best threshold of every class: the F scores of all thresholds, exactly.

Detections change only where the threshold passes a score of the recording, and recordings add up. So each
recording is counted once at each of its own scores, by the metric itself: what is counted there (a cell) goes
into the metric as a class of its own, and the F scores of a class come from the sums over its cells.

R recordings, K classes, N runs, C cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.evaluation.strips import Strip, class_blocks
from htsat.metrics.counting import Counts
from htsat.metrics.event_table import EventTable
from htsat.metrics.pairing import spread
from htsat.metrics.run_tree import RunTree, run_tree
from htsat.scores import FloatArray

Doubles = NDArray[np.float64]
Indices = NDArray[np.intp]

CountEvents = Callable[[EventTable, EventTable, int], Counts]
"""A metric: counts of the reference and the estimate, for so many classes."""

MAX_ROWS = 1_000_000
"""Events that are counted together; bounds the memory."""

_HOPED = (0.5, 0.1, 1e-9)
"""Thresholds that cannot reach such an F score are looked at only for classes in which none does."""


class Best(NamedTuple):
    """The highest F score of each class and a threshold that gives it; 0 and 1 where nothing is found.

    Shape: `(K,)` each.
    """

    f_scores: Doubles
    thresholds: Doubles


def best_thresholds(
    strip: Strip, reference: EventTable, count: CountEvents, goals: Doubles | None = None
) -> Best:
    """Search all thresholds for every class that has true events.

    With `goals` `(K,)` only thresholds that may reach them are looked at: a class that cannot may get a lower
    F score than there is. Of thresholds that do equally well the highest is taken, halfway to the next score
    below.
    """
    search = _Search.of(strip, reference, count)
    if goals is not None:
        return search.best(goals)
    best = search.nothing()
    for hoped in _HOPED:
        waiting = best.f_scores < hoped
        better = search.best(np.where(waiting, hoped, np.inf))
        best = Best(*(np.where(waiting, *columns) for columns in zip(better, best, strict=True)))
    return best


def best_clip_thresholds(chances: NDArray[np.float32], targets: NDArray[np.bool_]) -> Best:
    """The same for recordings as a whole, in which a class is heard or is not. Shape: both `(R, K)`."""
    columns = zip(chances.T, targets.T.astype(np.intp), strict=True)
    zero = np.float32(0)
    found = [_best_of_class(own, true, 1 - true, int(true.sum()), zero) for own, true in columns]
    f_scores, thresholds = np.array(found, np.float64).reshape(-1, 2).T
    return Best(f_scores, np.where(targets.any(axis=0), thresholds, 1.0))


class _Runs(NamedTuple):
    """Detections `(N,)`: there while the threshold is below their level and not below that of their parent.

    `parents` are -1 for runs that do not end in another. `sources` are numbers of a class in a recording.
    """

    sources: Indices
    levels: NDArray[np.float32]
    parents: Indices
    onsets_s: Doubles
    offsets_s: Doubles


class _Cells(NamedTuple):
    """One recording at one threshold, just below one of its scores: sorted by source and level, `(C,)`.

    `starts` and `stops` `(N,)` say of each run from which cell to before which it is there.
    """

    sources: Indices
    levels: NDArray[np.float32]
    starts: Indices
    stops: Indices


@dataclass(frozen=True, eq=False)
class _Search:
    """All that is the same for every goal.

    Shape: `n_true` `(K,)`, `reference_sources` `(E,)`, sorted; `loudest` `(R, K)`, 0 where a class is true.
    """

    strip: Strip
    loudest: NDArray[np.float32]
    count: CountEvents
    n_true: Indices
    reference: EventTable
    reference_sources: Indices

    @classmethod
    def of(cls, strip: Strip, reference: EventTable, count: CountEvents) -> _Search:
        loudest = strip.loudest()
        n_recordings, n_classes = loudest.shape
        loudest[reference.recordings, reference.classes] = 0.0
        n_true = count(reference, reference, n_classes).true_positives
        by_class = reference.where(np.lexsort((reference.onsets_s, reference.recordings, reference.classes)))
        sources = by_class.classes * n_recordings + by_class.recordings
        return cls(strip, loudest, count, n_true, by_class, sources)

    def nothing(self) -> Best:
        return Best(np.zeros(len(self.n_true)), np.ones(len(self.n_true)))

    def best(self, goals: Doubles) -> Best:
        floors = self._floors(goals)
        runs = _all_runs(self.strip, floors)
        cells = _cells(runs)
        n_found, n_false = self._count(runs, cells)
        best = self.nothing()
        classes = cells.sources // len(self.loudest)
        for index in np.unique(classes).tolist():
            own = slice(*np.searchsorted(classes, [index, index + 1]))
            found, false = (_changes(counts[own], cells.sources[own]) for counts in (n_found, n_false))
            best.f_scores[index], best.thresholds[index] = _best_of_class(
                cells.levels[own], found, false, int(self.n_true[index]), floors[index]
            )
        return best

    def _floors(self, goals: Doubles) -> NDArray[np.float32]:
        """The score of each class at and below which a goal is out of reach, `(K,)`.

        With so many recordings in which the class is heard and is not, even if all else were right.
        """
        falling = -np.sort(-self.loudest, axis=0)
        hoped = np.clip(goals, 1e-9, 1.0)
        n_tolerated = np.minimum(2 * self.n_true * (1 - hoped) / hoped + 1e-6, len(falling))
        rows = np.append(falling, np.zeros_like(falling[:1]), axis=0)
        floors: NDArray[np.float32] = rows[n_tolerated.astype(np.intp), np.arange(len(goals))]
        return np.where((self.n_true > 0) & np.isfinite(goals), floors, np.float32(np.inf))

    def _count(self, runs: _Runs, cells: _Cells) -> tuple[Indices, Indices]:
        """What is found and what is false in each cell, `(C,)`."""
        first_events, stop_events = (
            np.searchsorted(self.reference_sources, cells.sources, side=side) for side in ("left", "right")
        )
        n_cells = len(cells.sources)
        begun, ended = (np.bincount(edges, minlength=n_cells + 1)[:n_cells] for edges in cells[2:])
        n_rows = np.cumsum(begun - ended) + stop_events - first_events
        parts = np.cumsum(n_rows) // MAX_ROWS
        counts = [Counts(*np.zeros((3, 0), np.intp))]
        for part in np.unique(parts):
            first, last = np.searchsorted(parts, [part, part + 1])
            true = spread(np.arange(first, last), first_events[first:last], stop_events[first:last])
            heard = spread(
                np.arange(len(runs.levels)), np.maximum(cells.starts, first), np.minimum(cells.stops, last)
            )
            events = (self.reference.onsets_s[true.seconds], self.reference.offsets_s[true.seconds])
            detected = (runs.onsets_s[heard.firsts], runs.offsets_s[heard.firsts])
            counts.append(
                self.count(
                    _table(true.firsts - first, *events),
                    _table(heard.seconds - first, *detected),
                    last - first,
                )
            )
        found, false = zip(*((part.true_positives, part.false_positives) for part in counts), strict=True)
        return np.concatenate(found), np.concatenate(false)


def _all_runs(strip: Strip, floors: NDArray[np.float32]) -> _Runs:
    """The runs of all classes and recordings above the floors, those of each in the order of their frames."""
    layout = strip.layout
    parts, n_runs = [], 0
    for classes in class_blocks(len(strip.rows), layout.n_frames):
        tree = _flat_tree(strip.rows[classes], floors[classes])
        is_topmost = tree.parents == len(tree.levels)
        own_classes, starts = np.divmod(tree.starts, layout.n_frames)
        parts.append(
            (
                classes[own_classes] * len(layout.starts) + layout.recordings[starts],
                tree.levels,
                np.where(is_topmost, -1, tree.parents + n_runs),
                layout.boundaries_s[starts],
                layout.boundaries_s[tree.stops - own_classes * layout.n_frames],
            )
        )
        n_runs += len(tree.levels)
    return _Runs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _flat_tree(rows: FloatArray, floors: NDArray[np.float32]) -> RunTree:
    """The runs in rows `(K, N)` as those of one that has them end to end; all begin and end with silence.

    Frames as high as the one before are left out: after gaps and durations most are.
    """
    flat = np.where(rows > floors[:, None], rows, np.float32(0)).ravel()
    begins = np.flatnonzero(np.diff(flat, prepend=-1))
    tree = run_tree(flat[begins, None], np.zeros(1, np.float32))
    return tree._replace(starts=begins[tree.starts], stops=begins[tree.stops])


def _cells(runs: _Runs) -> _Cells:
    order = np.lexsort((runs.levels, runs.sources))
    sources, levels = runs.sources[order], runs.levels[order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (np.diff(sources) != 0) | (np.diff(levels) != 0)
    own = np.empty(len(order), np.intp)
    own[order] = np.cumsum(is_new) - 1
    firsts = np.searchsorted(sources[is_new], runs.sources)
    starts = np.where(runs.parents < 0, firsts, own[runs.parents] + 1)
    return _Cells(sources[is_new], levels[is_new], starts, own + 1)


def _table(cells: Indices, onsets_s: Doubles, offsets_s: Doubles) -> EventTable:
    """Events as those of one recording, with cells for classes; those of a cell come in order of time."""
    table = EventTable(np.zeros_like(cells), cells, onsets_s, offsets_s)
    return table.where(np.argsort(cells, kind="stable"))


def _changes(counts: Indices, sources: Indices) -> Indices:
    """How counts change from the next higher level of a recording; above the highest nothing is detected."""
    changes = counts.copy()
    changes[:-1] -= np.where(np.diff(sources) == 0, counts[1:], 0)
    return changes


def _best_of_class(
    levels: NDArray[np.float32], found: Indices, false: Indices, n_true: int, floor: np.float32
) -> tuple[float, float]:
    """The best F score and its threshold, from the changes of counts at levels. Shape: `(C,)` of a class."""
    order = np.argsort(-levels, kind="stable")
    falling = levels[order]
    is_last = np.append(np.diff(falling) != 0, True)
    n_found, n_false = (np.cumsum(changes[order])[is_last] for changes in (found, false))
    f_scores = 2 * n_found / (n_found + n_false + n_true)
    best = int(f_scores.argmax())
    passed = np.append(falling[is_last], floor)
    return float(f_scores[best]), _between(passed[best + 1], passed[best])


def _between(low: np.float32, high: np.float32) -> float:
    """A threshold that `high` exceeds and `low` does not, in single precision too."""
    middle = low + (high - low) / np.float32(2)
    return float(middle if middle < high else low)
