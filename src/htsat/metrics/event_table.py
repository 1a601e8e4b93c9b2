"""Sound events of many recordings as columns: what the metrics of detection count.

N events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htsat.labels import LabelSet
from htsat.scores import SoundEvent


@dataclass(frozen=True, eq=False)
class EventTable:
    """Sound events, sorted by recording, class and onset.

    Shape: `(N,)` each; `recordings` and `classes` are indices into a list of recordings and a label set.
    """

    recordings: NDArray[np.intp]
    classes: NDArray[np.intp]
    onsets_s: NDArray[np.float64]
    offsets_s: NDArray[np.float64]

    @classmethod
    def of(
        cls, events: Mapping[str, Sequence[SoundEvent]], recordings: Sequence[str], labels: LabelSet
    ) -> EventTable:
        """The events of these recordings; a recording that is not in `events` has none.

        Raises:
            DataError: when an event has a class that is not in `labels`.
        """
        rows = [
            (number, labels.index(event.label), event.onset_s, event.offset_s)
            for number, name in enumerate(recordings)
            for event in events.get(name, ())
        ]
        columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
        numbers, classes = (np.array(column, np.intp) for column in columns[:2])
        onsets_s, offsets_s = (np.array(column, np.float64) for column in columns[2:])
        return cls(numbers, classes, onsets_s, offsets_s)._sorted()

    def __len__(self) -> int:
        return len(self.recordings)

    def where(self, chosen: NDArray[Any]) -> EventTable:
        """Some of the events: by a mask or by indices."""
        return EventTable(
            self.recordings[chosen], self.classes[chosen], self.onsets_s[chosen], self.offsets_s[chosen]
        )

    def _sorted(self) -> EventTable:
        return self.where(np.lexsort((self.offsets_s, self.onsets_s, self.classes, self.recordings)))

    @property
    def durations_s(self) -> NDArray[np.float64]:
        """Length of every event."""
        return self.offsets_s - self.onsets_s

    def n_overlaps(self) -> int:
        """Number of events that begin before an earlier one of their class and recording has ended."""
        return int(self.overlaps_earlier().sum())

    def overlaps_earlier(self) -> NDArray[np.bool_]:
        """Whether an event begins before an earlier one of its class and recording has ended."""
        sources = self._sources()
        overlaps = np.zeros(len(self), bool)
        overlaps[1:] = (np.diff(sources) == 0) & (
            self.onsets_s[1:] < _latest_so_far(self.offsets_s, sources)[:-1]
        )
        return overlaps

    def merged(self) -> EventTable:
        """Events of a class and recording that overlap become one; those that only touch stay apart."""
        firsts = np.flatnonzero(~self.overlaps_earlier())
        lasts = np.append(firsts[1:], len(self))[: len(firsts)] - 1
        ends_s = _latest_so_far(self.offsets_s, self._sources())
        return replace(self.where(firsts), offsets_s=ends_s[lasts])

    def _sources(self) -> NDArray[np.intp]:
        """Numbers of the classes of recordings that have events, in order."""
        is_new = (np.diff(self.recordings, prepend=-1) != 0) | (np.diff(self.classes, prepend=-1) != 0)
        return np.cumsum(is_new)


def _latest_so_far(times_s: NDArray[np.float64], sources: NDArray[np.intp]) -> NDArray[np.float64]:
    """The running maximum of times, beginning anew with each source. `sources` must not fall."""
    n_times = len(times_s)
    order = np.argsort(times_s)
    ranks = np.empty(n_times, np.intp)
    ranks[order] = np.arange(n_times)
    # The ranks of a later source are above all of the earlier ones, so that one maximum runs over all.
    latest_ranks = np.maximum.accumulate(sources * n_times + ranks) - sources * n_times
    return times_s[order[latest_ranks]]
