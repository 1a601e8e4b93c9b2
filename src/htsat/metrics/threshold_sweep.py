"""The curves of all classes over all thresholds, in little memory: one recording at a time, twice.

First only the highest score of each recording and class is kept. It tells below which score a class has too
many false detections for the curve, whatever comes; most frames are below and need not be looked at again.

R recordings, T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from htsat.errors import DataError
from htsat.metrics.detection_changes import Prices, recording_changes
from htsat.metrics.event_table import EventTable
from htsat.metrics.psds_parameters import PsdsParameters
from htsat.metrics.roc import Changes, Roc
from htsat.scores import FrameGrid

Doubles = NDArray[np.float64]
_Indices = NDArray[np.intp]


class ScoredRecording(Protocol):
    """Frame scores of a recording: any numbers that rise with certainty. `FrameScores` are."""

    @property
    def grid(self) -> FrameGrid:
        """Where the T frames lie."""

    @property
    def probabilities(self) -> NDArray[np.floating]:
        """Shape: `(T, K)`."""


class ScoreSource(Protocol):
    """The scores of R recordings. Each is asked for twice or more often, one at a time."""

    def __len__(self) -> int:
        """R."""

    def __getitem__(self, index: int, /) -> ScoredRecording:
        """The scores of a recording."""


def class_rocs(
    scores: ScoreSource,
    reference: EventTable,
    durations_s: Doubles,
    parameters: PsdsParameters,
    max_changes: int,
) -> list[Roc | None]:
    """The curve of each class; None for classes without true events. See `psds.psds`."""
    _check(scores, reference, durations_s)
    hours = float(durations_s.sum()) / 3600
    loudest = _loudest(scores)
    n_classes = loudest.shape[1]
    if reference.classes.max() >= n_classes:
        raise DataError(f"class {reference.classes.max()} has true events, but scores are of {n_classes}")
    # Only where a class has no true events are all its detections false.
    loudest[reference.recordings, reference.classes] = -np.inf
    floors = _floors(loudest, int(parameters.max_false_rate * hours))
    n_events = np.bincount(reference.classes, minlength=n_classes)
    sweep = _Sweep(scores, reference, _prices(reference, n_classes, hours, parameters.alpha_ct), parameters)
    rocs: list[Roc | None] = [None] * n_classes
    waiting = np.flatnonzero(n_events)
    while len(waiting):
        changes, done = sweep.collect(waiting, floors, max_changes)
        for index, own in zip(done, _by_class(changes, done), strict=True):
            rocs[index] = Roc.of(own, int(n_events[index]), parameters.max_false_rate)
        waiting = waiting[len(done) :]
    return rocs


@dataclass(frozen=True, eq=False)
class _Sweep:
    """All that is the same for every recording."""

    scores: ScoreSource
    reference: EventTable
    prices: Prices
    parameters: PsdsParameters

    def collect(self, waiting: _Indices, floors: Doubles, max_changes: int) -> tuple[Changes, _Indices]:
        """The changes of the first waiting classes, of as many as the limit allows, and these classes."""
        classes, parts, n_changes = waiting, [Changes.joined([])], 0
        for number in range(len(self.scores)):
            parts.append(self._changes(number, _only(floors, classes)))
            n_changes += len(parts[-1])
            while n_changes > max_changes and len(classes) > 1:
                classes = classes[: len(classes) // 2]
                joined = Changes.joined(parts)
                parts = [joined.where(joined.classes <= classes[-1])]
                n_changes = len(parts[0])
        return Changes.joined(parts), classes

    def _changes(self, number: int, floors: Doubles) -> Changes:
        recording = self.scores[number]
        bounds = np.searchsorted(self.reference.recordings, [number, number + 1])
        parts = recording_changes(
            recording.probabilities,
            recording.grid.boundaries_s,
            self.reference.where(np.arange(*bounds)),
            floors,
            self.prices,
            self.parameters,
        )
        return Changes.joined(list(parts))


def _check(scores: ScoreSource, reference: EventTable, durations_s: Doubles) -> None:
    n_recordings = len(scores)
    if durations_s.shape != (n_recordings,):
        raise DataError(f"expected {n_recordings} durations, as there are scores, got {len(durations_s)}")
    if not np.all((durations_s > 0) & np.isfinite(durations_s)):
        raise DataError("durations must be positive and finite")
    if not len(reference):
        raise DataError("there are no true events to detect")
    if reference.recordings.max() >= n_recordings:
        raise DataError(
            f"recording {reference.recordings.max()} has true events, but scores are of {n_recordings}"
        )
    if not np.all(reference.durations_s > 0):
        raise DataError("a true event does not end after it begins")
    if reference.n_overlaps():
        raise DataError(
            f"{reference.n_overlaps()} true events overlap an earlier one of their class: merge them"
        )


def _loudest(scores: ScoreSource) -> Doubles:
    """The highest score of every recording and class, `(R, K)`."""
    rows = []
    for number in range(len(scores)):
        rows.append(scores[number].probabilities.max(axis=0, initial=-np.inf))
        if len(rows[-1]) != len(rows[0]):
            raise DataError(f"recording {number} has {len(rows[-1])} classes, the first has {len(rows[0])}")
        if np.isnan(rows[-1]).any():
            raise DataError(f"recording {number} has scores that are not numbers")
    return np.array(rows, np.float64)


def _prices(reference: EventTable, n_classes: int, hours: float, alpha_ct: float) -> Prices:
    """Rates of one mistake: false positives per hour of sound, cross triggers per hour of the other class.

    Cross triggers are averaged over all other classes that have true events.
    """
    active_s = np.bincount(reference.classes, reference.durations_s, minlength=n_classes)
    has_events = active_s > 0
    rates = np.zeros(n_classes)
    rates[has_events] = 3600 / active_s[has_events]
    n_others = max(int(has_events.sum()) - 1, 1)
    return Prices(1 / hours, alpha_ct * rates / n_others)


def _floors(loudest: Doubles, n_tolerated: int) -> Doubles:
    """The score of each class at and below which too many recordings hold a false detection, `(K,)`.

    `loudest` is minus infinity where a class has true events. A false detection may grow or flow into
    another while the threshold falls, but its recording never loses the last one.
    """
    n_recordings, n_classes = loudest.shape
    if n_tolerated >= n_recordings:
        return np.full(n_classes, -np.inf)
    rank = n_recordings - 1 - n_tolerated
    floors: Doubles = np.partition(loudest, rank, axis=0)[rank]
    return floors


def _only(floors: Doubles, classes: _Indices) -> Doubles:
    """Floors that leave out all other classes."""
    only = np.full(len(floors), np.inf)
    only[classes] = floors[classes]
    return only


def _by_class(changes: Changes, classes: _Indices) -> Iterator[Changes]:
    """The changes of each of some classes."""
    order = np.argsort(changes.classes, kind="stable")
    bounds = np.searchsorted(changes.classes[order], np.append(classes, classes[-1] + 1))
    for start, stop in pairwise(bounds):
        yield changes.where(order[start:stop])
