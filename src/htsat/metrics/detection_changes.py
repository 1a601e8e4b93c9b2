"""What changes in the counts of a recording while the thresholds of its classes fall: the heart of PSDS.

Conventions are those of `sed_scores_eval` 0.0.4: times are compared in whole microseconds, a detection that
touches no true event of its class is false, and only false detections can be cross triggers.

T frames, K classes, N runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.metrics.event_table import EventTable
from htsat.metrics.psds_parameters import PsdsParameters
from htsat.metrics.roc import Changes
from htsat.metrics.run_tree import RunTree, Scores, run_tree

Doubles = NDArray[np.float64]

MAX_FRAMES_AT_ONCE = 2**20


class Prices(NamedTuple):
    """Effective false positives per hour: of one false detection, and more if it is a cross trigger.

    Shape: `cross_trigger` `(K,)`, by the class of the true events that were mistaken.
    """

    false_positive: float
    cross_trigger: Doubles


class _Runs(NamedTuple):
    """All detections of the classes that are looked at. Shape: `(N,)` each; `tree.curves` are classes."""

    tree: RunTree
    onsets_s: Doubles
    offsets_s: Doubles

    def of_class(self, index: int) -> slice:
        """Where the runs of a class are."""
        start, stop = np.searchsorted(self.tree.curves, [index, index + 1])
        return slice(start, stop)


def recording_changes(
    scores: Scores,
    boundaries_s: Doubles,
    events: EventTable,
    floors: Doubles,
    prices: Prices,
    parameters: PsdsParameters,
) -> Iterator[Changes]:
    """All changes of a recording at scores above the floor of their class, in parts.

    Shape: `scores` `(T, K)`, `boundaries_s` `(T + 1,)`, `floors` `(K,)`. A class with an infinite floor is
    not looked at. `events` are the true events of this recording only.
    """
    classes = np.flatnonzero((scores > floors).any(axis=0))
    size = max(1, MAX_FRAMES_AT_ONCE // max(len(scores), 1))
    for start in range(0, len(classes), size):
        chosen = classes[start : start + size]
        tree = run_tree(scores[:, chosen], floors[chosen])
        tree = tree._replace(curves=chosen[tree.curves])
        runs = _Runs(tree, boundaries_s[tree.starts], boundaries_s[tree.stops])
        yield from _changes(runs, boundaries_s, events, prices, parameters)


def _changes(
    runs: _Runs, boundaries_s: Doubles, events: EventTable, prices: Prices, parameters: PsdsParameters
) -> Iterator[Changes]:
    n_runs = len(runs.onsets_s)
    is_relevant = np.zeros(n_runs, bool)
    price = np.full(n_runs, prices.false_positive)
    lengths_s = runs.offsets_s - runs.onsets_s
    for index in np.unique(events.classes):
        own = runs.of_class(index)
        if parameters.cttc is None and own.start == own.stop:
            continue
        active_s = _active_before(boundaries_s, events.where(events.classes == index))
        within_s = active_s[runs.tree.stops] - active_s[runs.tree.starts]
        is_relevant[own] = _reaches(within_s[own], parameters.dtc * lengths_s[own])
        if parameters.cttc is not None:
            crosses = _reaches(within_s, parameters.cttc * lengths_s)
            crosses[own] = False
            price += prices.cross_trigger[index] * crosses
    yield _false_changes(runs.tree, np.where(is_relevant, 0.0, price))
    for number in np.flatnonzero(np.isin(events.classes, runs.tree.curves)):
        yield _true_changes(runs, is_relevant, events.where(np.array([number])), parameters.gtc)


def _false_changes(tree: RunTree, prices: Doubles) -> Changes:
    changes = tree.changes(prices)
    kept = np.flatnonzero(changes)
    classes = tree.curves[kept].astype(np.int32)
    return Changes(classes, tree.levels[kept], changes[kept], np.zeros(len(kept), np.int8))


def _true_changes(runs: _Runs, is_relevant: NDArray[np.bool_], event: EventTable, gtc: float) -> Changes:
    """When one true event is found, and when it is lost again. `event` has one row."""
    own = runs.of_class(event.classes[0])
    starts_s = np.maximum(runs.onsets_s[own], event.onsets_s)
    stops_s = np.minimum(runs.offsets_s[own], event.offsets_s)
    covered_s = np.zeros(len(runs.onsets_s))
    covered_s[own] = np.maximum(stops_s - starts_s, 0.0) * is_relevant[own]
    changes_s = runs.tree.changes(covered_s)[own]
    levels = runs.tree.levels[own]
    order = np.argsort(-levels, kind="stable")
    last = np.append(np.diff(levels[order]) != 0, True)[: len(order)]
    is_found = _reaches(np.cumsum(changes_s[order])[last], gtc * event.durations_s)
    found = is_found.astype(np.int8)
    found[1:] -= is_found[:-1]
    kept = np.flatnonzero(found)
    classes = np.full(len(kept), event.classes[0], np.int32)
    return Changes(classes, levels[order][last][kept], np.zeros(len(kept)), found[kept])


def _active_before(boundaries_s: Doubles, events: EventTable) -> Doubles:
    """Time that events of one class, which do not overlap, take up before each boundary."""
    n_begun = np.searchsorted(events.onsets_s, boundaries_s, side="right")
    ended_s = np.concatenate([[0.0], np.cumsum(events.durations_s)])
    latest = np.maximum(n_begun - 1, 0)
    running_s = np.minimum(boundaries_s - events.onsets_s[latest], events.durations_s[latest])
    active_s: Doubles = np.where(n_begun > 0, ended_s[latest] + running_s, 0.0)
    return active_s


def _reaches(times_s: Doubles, needed_s: Doubles) -> NDArray[np.bool_]:
    """Compared in whole microseconds, so that a time that is exactly enough is not lost to rounding."""
    enough: NDArray[np.bool_] = np.rint(times_s * 1e6) >= np.rint(needed_s * 1e6)
    return enough
