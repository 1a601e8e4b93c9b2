"""What is counted of events for a report; memory grows with classes and recordings, not with events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from htsat.reports.found import Found
from htsat.reports.moments import Moment
from htsat.reports.timeline import Timeline
from htsat.scores import SoundEvent


@dataclass
class ClassTally:
    """The events of one class, by hour of the day and by column of the timeline."""

    label: str
    n_events: int = 0
    seconds: float = 0.0
    n_recordings: int = 0
    sum_of_probabilities: float = 0.0
    hours: Counter[int] = field(default_factory=Counter)
    columns: Counter[int] = field(default_factory=Counter)

    @property
    def mean_probability(self) -> float:
        """Of its events."""
        return self.sum_of_probabilities / self.n_events


class RecordingTally(NamedTuple):
    """One recording that was read: its number, length if known, and events by class, the most first."""

    number: int
    duration_s: float | None
    n_events: int
    most: tuple[tuple[str, int], ...]


class Tally:
    """Counts the events of recordings that come one after the other."""

    def __init__(self, moments: Sequence[Moment | None], timeline: Timeline) -> None:
        self._moments = moments
        self.timeline = timeline
        self.recordings: list[RecordingTally] = []
        self._classes: dict[str, ClassTally] = {}

    @property
    def classes(self) -> list[ClassTally]:
        """The class with the most events first."""
        return sorted(self._classes.values(), key=lambda tally: (-tally.n_events, tally.label))

    @property
    def n_events(self) -> int:
        """Of all classes."""
        return sum(tally.n_events for tally in self._classes.values())

    @property
    def duration_s(self) -> float | None:
        """Of all recordings together, if all lengths are known."""
        lengths = [recording.duration_s for recording in self.recordings]
        known = [length for length in lengths if length is not None]
        return sum(known) if len(known) == len(lengths) else None

    def add(self, number: int, found: Found) -> None:
        """Count the events of the recording of this number."""
        counts = Counter(event.label for event in found.events)
        for event in found.events:
            self._count(number, event)
        for label in counts:
            self._classes[label].n_recordings += 1
        most = tuple(counts.most_common(4))
        self.recordings.append(RecordingTally(number, found.duration_s, len(found.events), most))

    def _count(self, number: int, event: SoundEvent) -> None:
        tally = self._classes.setdefault(event.label, ClassTally(event.label))
        tally.n_events += 1
        tally.seconds += event.offset_s - event.onset_s
        tally.sum_of_probabilities += event.probability
        tally.columns[self.timeline.column(number, event.onset_s)] += 1
        moment = self._moments[number]
        if moment is not None:
            later = timedelta(seconds=event.onset_s if moment.is_named else 0.0)
            tally.hours[(moment.time + later).hour] += 1
