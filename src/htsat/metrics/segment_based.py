"""Segment-based counts (Mesaros et al., 2016): whether a class is active in each stretch of time.

A class is active in a segment that any of its events overlaps, as in `sed_eval`: from the one in which an
event begins to the one in which it ends. Segments count as far as events reach, also behind the end of a
recording.

C active cells: one segment of one recording in which one class is active.
"""

from __future__ import annotations

import numpy as np

from htsat.errors import ConfigError
from htsat.metrics.counting import Counts, Numbers
from htsat.metrics.event_table import EventTable
from htsat.metrics.pairing import spread


def count_segments(reference: EventTable, estimated: EventTable, n_classes: int, segment_s: float) -> Counts:
    """Count the segments in which a class is active in both, or in one of them."""
    if not 0 < segment_s < float("inf"):
        raise ConfigError(f"segments must last more than 0 seconds, got {segment_s:g}")
    tables = (reference, estimated)
    n_segments = max(_stops(table, segment_s).max(initial=1) for table in tables)
    true, heard = (_active_cells(table, n_classes, n_segments, segment_s) for table in tables)
    n_both, n_true, n_heard = (
        np.bincount(cells // n_segments % n_classes, minlength=n_classes)
        for cells in (np.intersect1d(true, heard, assume_unique=True), true, heard)
    )
    return Counts(n_both, n_heard - n_both, n_true - n_both)


def _active_cells(events: EventTable, n_classes: int, n_segments: int, segment_s: float) -> Numbers:
    """The active cells, each once, numbered by recording, class and segment. Shape: `(C,)`."""
    starts = np.floor(events.onsets_s / segment_s).astype(np.intp)
    sources = events.recordings * n_classes + events.classes
    cells = spread(sources, starts, _stops(events, segment_s))
    numbers = np.sort(cells.firsts * n_segments + cells.seconds)
    return numbers[np.diff(numbers, prepend=-1) > 0]


def _stops(events: EventTable, segment_s: float) -> Numbers:
    """The segment before which each event has ended."""
    return np.ceil(events.offsets_s / segment_s).astype(np.intp)
