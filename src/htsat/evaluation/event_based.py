"""Detected events against the true ones, in every metric of the field: what `htsat evaluate-events` does.

N events, K classes, R recordings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.errors import DataError, did_you_mean
from htsat.evaluation.event_report import EventReport, EventSettings, ListedEvent, ListFacts, Recordings
from htsat.labels import LabelSet
from htsat.metrics.collar_based import count_near_events
from htsat.metrics.event_table import EventTable
from htsat.metrics.intersection_based import count_intersections
from htsat.metrics.psds import PSDS1, PSDS2, ScoreSource, psds
from htsat.metrics.segment_based import count_segments
from htsat.scores import SoundEvent

_ROUNDING_S = 0.001
"""Lists of durations and of events are rounded apart; what is nearer to the end than this lies within."""


class EventList(NamedTuple):
    """Events of recordings by their names, and where they come from, in words."""

    source: str
    events: Mapping[str, Sequence[SoundEvent]]


def classes_of(reference: EventList) -> LabelSet:
    """The classes that have events, sorted.

    Raises:
        DataError: when there are no events.
    """
    labels = {event.label for events in reference.events.values() for event in events}
    if not labels:
        raise DataError(f"{reference.source}: has no events, so it does not say which classes there are")
    return LabelSet.of(sorted(labels))


def compare_events(
    reference: EventList,
    estimated: EventList,
    durations_s: Mapping[str, float],
    labels: LabelSet,
    settings: EventSettings,
    scores: ScoreSource | None = None,
) -> EventReport:
    """Count what was detected in the recordings that have a duration.

    A recording that a list does not name has no events there. `scores` are those of `labels` in all these
    recordings, sorted by name; without them there is no PSDS, for which true events that overlap are one.

    Raises:
        DataError: when a list has a recording without duration or a class that is not in `labels`, or when
            scores do not fit.
    """
    names = tuple(sorted(durations_s))
    heard_in = _Recordings(names, np.array([durations_s[name] for name in names]), labels)
    true, true_facts = heard_in.take(reference, settings)
    heard, heard_facts = heard_in.take(estimated, settings)
    alone = true.where(true.durations_s > 0).merged()
    return EventReport(
        Recordings(len(names), recording_list_sha256(names), float(heard_in.lengths_s.sum())),
        labels,
        true_facts,
        heard_facts,
        settings,
        count_intersections(true, heard, len(labels), settings.tolerances),
        count_near_events(true, heard, len(labels), settings.collar),
        count_segments(true, heard, len(labels), settings.segment_s),
        *(None if scores is None else psds(scores, alone, heard_in.lengths_s, p) for p in (PSDS1, PSDS2)),
    )


def recording_list_sha256(names: Iterable[str]) -> str:
    """Fingerprint of which recordings, in any order; that of `htsat evaluate` for whole files."""
    return hashlib.sha256("\n".join(sorted(names)).encode(errors="surrogateescape")).hexdigest()


class _Recordings(NamedTuple):
    """Names, lengths `(R,)` and classes of the recordings that lists of events are about."""

    names: tuple[str, ...]
    lengths_s: NDArray[np.float64]
    labels: LabelSet

    def take(self, events: EventList, settings: EventSettings) -> tuple[EventTable, ListFacts]:
        """The events that count, and what the list holds."""
        self._check(events)
        table = EventTable.of(events.events, self.names, self.labels)
        counted = table.merged() if settings.overlaps == "merge" else table
        overlapping = table.where(table.overlaps_earlier())
        return counted, ListFacts(
            events.source,
            np.bincount(counted.classes, minlength=len(self.labels)),
            len(overlapping),
            tuple(self._listed(overlapping)) if settings.overlaps == "report" else (),
            int((table.offsets_s > self.lengths_s[table.recordings] + _ROUNDING_S).sum()),
            int((table.durations_s == 0).sum()),
        )

    def _check(self, events: EventList) -> None:
        """Refuse recordings and classes that are not among these."""
        known = set(self.names)
        unknown = [name for name in events.events if name not in known]
        if unknown:
            more = f" ({len(unknown) - 1} more)" if len(unknown) > 1 else ""
            nearest = did_you_mean(unknown[0], self.names)
            raise DataError(
                f"{events.source}: recording {unknown[0]!r} is not in the list of durations{more}{nearest}"
            )
        classes = set(self.labels)
        for name, heard in events.events.items():
            for event in heard:
                if event.label not in classes:
                    nearest = did_you_mean(event.label, self.labels)
                    raise DataError(f"{events.source}: unknown class {event.label!r} in {name!r}{nearest}")

    def _listed(self, events: EventTable) -> Iterable[ListedEvent]:
        columns = (events.recordings, events.classes, events.onsets_s, events.offsets_s)
        for recording, index, onset_s, offset_s in zip(*(c.tolist() for c in columns), strict=True):
            yield ListedEvent(self.names[recording], self.labels[index], onset_s, offset_s)
