"""Which events of two tables may belong together, without looking at every pair.

N events of the first table, M of the second, P pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.metrics.event_table import EventTable

Indices = NDArray[np.intp]
Times = NDArray[np.float64]

_PAIRS_AT_ONCE = 1_000_000
"""Bounds the memory."""

_SLACK_S = 1e-6
"""Far above the rounding of times and far below what any annotation resolves."""


class Pairs(NamedTuple):
    """Indices into two tables. Shape: `(P,)` each, sorted by the first."""

    firsts: Indices
    seconds: Indices


def overlapping(first: EventTable, second: EventTable) -> Pairs:
    """All pairs of events of one class and recording that share time.

    The events of `second` must not overlap each other, and must have a length.
    """
    sources, other_sources = _sources(first, second)
    begins = _in_order(sources, first.onsets_s)
    ends = _in_order(sources, first.offsets_s)
    starts = np.searchsorted(_in_order(other_sources, second.offsets_s), begins, side="right")
    stops = np.searchsorted(_in_order(other_sources, second.onsets_s), ends, side="left")
    return spread(np.arange(len(first)), starts, stops)


def with_near_onsets(first: EventTable, second: EventTable, distance_s: float) -> Pairs:
    """The pairs of events of one class and recording whose onsets are so near, and some hardly further."""
    sources, other_sources = _sources(first, second)
    onsets = _in_order(other_sources, second.onsets_s)
    reach_s = distance_s + _SLACK_S
    starts = np.searchsorted(onsets, _in_order(sources, first.onsets_s - reach_s), side="left")
    stops = np.searchsorted(onsets, _in_order(sources, first.onsets_s + reach_s), side="right")
    return spread(np.arange(len(first)), starts, stops)


def of_one_recording(first: EventTable, second: EventTable) -> Iterator[Pairs]:
    """All pairs of events of one recording, of whatever classes; an event's pairs come in one part."""
    starts = np.searchsorted(second.recordings, first.recordings, side="left")
    stops = np.searchsorted(second.recordings, first.recordings, side="right")
    parts = np.cumsum(stops - starts) // _PAIRS_AT_ONCE
    for part in np.unique(parts):
        chosen = np.flatnonzero(parts == part)
        yield spread(chosen, starts[chosen], stops[chosen])


def shared_s(first: EventTable, second: EventTable, pairs: Pairs) -> Times:
    """For how long both events of a pair last; negative where they do not meet. Shape: `(P,)`."""
    ends_s = np.minimum(first.offsets_s[pairs.firsts], second.offsets_s[pairs.seconds])
    begins_s = np.maximum(first.onsets_s[pairs.firsts], second.onsets_s[pairs.seconds])
    shared: Times = ends_s - begins_s
    return shared


def _sources(first: EventTable, second: EventTable) -> tuple[Indices, Indices]:
    """One number for each class of each recording. Shape: `(N,)`, `(M,)`."""
    n_classes = 1 + max(first.classes.max(initial=0), second.classes.max(initial=0))
    return first.recordings * n_classes + first.classes, second.recordings * n_classes + second.classes


def _in_order(sources: Indices, times_s: Times) -> NDArray[np.complex128]:
    """Keys that are ordered by source, then by time, as numpy orders complex numbers."""
    keys = np.empty(len(sources), np.complex128)
    keys.real, keys.imag = sources, times_s
    return keys


def spread(firsts: Indices, starts: Indices, stops: Indices) -> Pairs:
    """Each of the first with all numbers from its start to before its stop. Shape: `(N,)` each."""
    n_pairs = np.maximum(stops - starts, 0)
    within = np.arange(n_pairs.sum()) - np.repeat(np.cumsum(n_pairs) - n_pairs, n_pairs)
    return Pairs(np.repeat(firsts, n_pairs), np.repeat(starts, n_pairs) + within)
