"""Intersection-based counts (Bilen et al., 2020): detections and events match by how much they share.

The paper's "event-based F1" is this one with the defaults here (official behaviour 12.5). Shares are compared
in double precision without tolerance, as `psds_eval` does, so that both count alike.

N events, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.errors import ConfigError
from htsat.metrics.counting import Counts, Numbers
from htsat.metrics.event_table import EventTable
from htsat.metrics.pairing import of_one_recording, overlapping, shared_s


@dataclass(frozen=True)
class Tolerances:
    """Shares from which something counts, above 0 and at most 1.

    - `dtc`, of a detection: lies in events of its class, so it is no false positive (detection tolerance).
    - `gtc`, of an event: lies in such detections, so it is found (ground truth tolerance).
    - `cttc`, of a false positive: lies in events of another class, which triggered it (cross-trigger
      tolerance). F scores do not depend on it.
    """

    dtc: float = 0.5
    gtc: float = 0.5
    cttc: float = 0.3

    def __post_init__(self) -> None:
        for name, value in (("dtc", self.dtc), ("gtc", self.gtc), ("cttc", self.cttc)):
            if not 0 < value <= 1:
                raise ConfigError(f"{name} must be above 0 and at most 1, got {value:g}")


class IntersectionCounts(NamedTuple):
    """Events found and missed, detections that are false; and what triggered those.

    A detection that passes its criterion but finds no event is neither true nor false.

    Shape: `cross_triggers` `(K, K)`, false positives by estimated class (rows) and class of the events.
    """

    counts: Counts
    cross_triggers: Numbers


def count_intersections(
    reference: EventTable, estimated: EventTable, n_classes: int, tolerances: Tolerances
) -> IntersectionCounts:
    """Count events and detections; those without length are left out.

    Events of one class may overlap; time that several cover is covered once.
    """
    judged = _judge(reference, estimated, tolerances)
    cross_triggers = _cross_triggers(judged.wrong, judged.events.merged(), n_classes, tolerances.cttc)
    return IntersectionCounts(judged.counts(n_classes), cross_triggers)


def count_intersecting_events(
    reference: EventTable, estimated: EventTable, n_classes: int, tolerances: Tolerances
) -> Counts:
    """What `count_intersections` counts, without asking what triggered the false detections."""
    return _judge(reference, estimated, tolerances).counts(n_classes)


class _Judged(NamedTuple):
    """Events with a length, whether each is found, and the detections that are false."""

    events: EventTable
    is_found: NDArray[np.bool_]
    wrong: EventTable

    def counts(self, n_classes: int) -> Counts:
        n_found, n_missed, n_false = (
            np.bincount(classes, minlength=n_classes)
            for classes in (
                self.events.classes[self.is_found],
                self.events.classes[~self.is_found],
                self.wrong.classes,
            )
        )
        return Counts(n_found, n_false, n_missed)


def _judge(reference: EventTable, estimated: EventTable, tolerances: Tolerances) -> _Judged:
    events, detections = (table.where(table.durations_s > 0) for table in (reference, estimated))
    is_right = _shares_covered(detections, events.merged()) >= tolerances.dtc
    is_found = _shares_covered(events, detections.where(is_right).merged()) >= tolerances.gtc
    return _Judged(events, is_found, detections.where(~is_right))


def _shares_covered(events: EventTable, others: EventTable) -> NDArray[np.float64]:
    """How much of each event lies in others of its class, which do not overlap. Shape: `(N,)`."""
    pairs = overlapping(events, others)
    shares = shared_s(events, others, pairs) / events.durations_s[pairs.firsts]
    return np.bincount(pairs.firsts, shares, minlength=len(events)).astype(np.float64)


def _cross_triggers(wrong: EventTable, events: EventTable, n_classes: int, cttc: float) -> Numbers:
    """False positives by the classes whose events cover enough of them. Shape: `(K, K)`."""
    cells = np.zeros(n_classes**2, np.intp)
    for pairs in of_one_recording(wrong, events):
        shares = shared_s(wrong, events, pairs) / wrong.durations_s[pairs.firsts]
        is_shared = (shares > 0) & (wrong.classes[pairs.firsts] != events.classes[pairs.seconds])
        firsts, classes = pairs.firsts[is_shared], events.classes[pairs.seconds[is_shared]]
        groups, group_of = np.unique(firsts * n_classes + classes, return_inverse=True)
        sums = np.bincount(group_of, shares[is_shared], minlength=len(groups))
        triggered, triggers = np.divmod(groups[sums >= cttc], n_classes)
        cells += np.bincount(wrong.classes[triggered] * n_classes + triggers, minlength=n_classes**2)
    return cells.reshape(n_classes, n_classes)
