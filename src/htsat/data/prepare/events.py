"""What the strong labels of a data set are like: how many events, how long, and which of them to look at."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from htsat.data.events import EventFiles, Events
from htsat.data.manifest import Clip
from htsat.data.prepare.facts import Facts
from htsat.scores import SoundEvent

BEYOND_S = 0.1
"""Events may end so much behind the recording: lengths of compressed files are not exact."""

SHORT_S = 0.05
"""Shorter events are likely slips of the hand; about one frame of the finest models."""


class ClassEvents(NamedTuple):
    """The events of one class: their number, and their length together and in the middle."""

    label: str
    n_events: int
    total_s: float
    median_s: float


class PlacedEvent(NamedTuple):
    """An event and the clip that it lies in."""

    clip: Clip
    event: SoundEvent


@dataclass(frozen=True)
class EventReport:
    """The strong labels of a data set.

    - `beyond_end`: events that end behind the end of their recording;
    - `overlapping`: events that begin before an earlier one of their class has ended;
    - `short`: events below `SHORT_S`.
    """

    n_recordings: int
    classes: tuple[ClassEvents, ...]
    beyond_end: tuple[PlacedEvent, ...]
    overlapping: tuple[PlacedEvent, ...]
    short: tuple[PlacedEvent, ...]

    @property
    def n_events(self) -> int:
        """Number of all events."""
        return sum(entry.n_events for entry in self.classes)


def report_events(
    clips: Sequence[Clip], labels: Iterable[str], facts: Mapping[str, Facts]
) -> EventReport | None:
    """Look at the events of whole recordings; None where no clip has strong labels.

    Raises:
        DataError: when strong labels cannot be read.
    """
    strong = [clip for clip in clips if clip.events is not None]
    if not strong:
        return None
    files = EventFiles(strong)
    told = [(clip, files.told_of(clip)) for clip in strong]
    placed = [PlacedEvent(clip, event) for clip, events in told for event in events]
    return EventReport(
        len(strong),
        tuple(_by_class(placed, labels)),
        tuple(entry for entry in placed if _is_beyond(entry, facts)),
        tuple(PlacedEvent(clip, event) for clip, events in told for event in _overlapping(events)),
        tuple(entry for entry in placed if entry.event.offset_s - entry.event.onset_s < SHORT_S),
    )


def _by_class(placed: Iterable[PlacedEvent], labels: Iterable[str]) -> Iterator[ClassEvents]:
    lengths_s: defaultdict[str, list[float]] = defaultdict(list)
    for _, event in placed:
        lengths_s[event.label].append(event.offset_s - event.onset_s)
    for label in labels:
        if lengths_s[label]:
            of_class = lengths_s[label]
            yield ClassEvents(label, len(of_class), sum(of_class), statistics.median(of_class))


def _is_beyond(placed: PlacedEvent, facts: Mapping[str, Facts]) -> bool:
    known = facts.get(placed.clip.title)
    duration_s = None if known is None else known.duration_s
    return duration_s is not None and placed.event.offset_s > duration_s + BEYOND_S


def _overlapping(events: Events) -> Iterator[SoundEvent]:
    ends_s: dict[str, float] = {}
    for event in sorted(events, key=lambda event: event.onset_s):
        end_s = ends_s.get(event.label, 0.0)
        if event.onset_s < end_s:
            yield event
        ends_s[event.label] = max(end_s, event.offset_s)
