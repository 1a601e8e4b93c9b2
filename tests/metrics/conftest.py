"""Tables of events to count."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from htsat.labels import LabelSet
from htsat.metrics.event_table import EventTable
from htsat.scores import SoundEvent

N_RECORDINGS = 6
LABELS = LabelSet(("a", "b", "c"))

Row = tuple[int, int, float, float]
"""Recording, class, onset and offset."""


def table_of(rows: Iterable[Row]) -> EventTable:
    events: dict[str, list[SoundEvent]] = {}
    for recording, index, onset_s, offset_s in rows:
        event = SoundEvent(LABELS[index], onset_s, offset_s, 1.0)
        events.setdefault(f"r{recording}", []).append(event)
    return EventTable.of(events, [f"r{number}" for number in range(N_RECORDINGS)], LABELS)


@pytest.fixture
def table() -> Callable[[Iterable[Row]], EventTable]:
    """Makes a table of recordings 0 to 5 and classes 0 to 2."""
    return table_of


@pytest.fixture
def draw_rows() -> Callable[[int], list[Row]]:
    """Draws events that may overlap, on a grid of 1/16 s: sums are exact, and ties come about."""

    def draw(seed: int) -> list[Row]:
        rng = np.random.default_rng(seed)
        n_events = int(rng.integers(60))
        onsets_s, lengths_s = rng.integers(64, size=n_events) / 16, rng.integers(20, size=n_events) / 16
        recordings, classes = rng.integers(N_RECORDINGS, size=n_events), rng.integers(3, size=n_events)
        columns = (recordings, classes, onsets_s, onsets_s + lengths_s)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    return draw
