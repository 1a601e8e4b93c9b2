"""What files of strong labels hold, class by class, and what in them looks like a slip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from htsat.formats.recording import DetectedRecording
from htsat.scores import SoundEvent


class ClassSummary(NamedTuple):
    """The events of one class: how many, in how many recordings, and how long together and in the middle."""

    label: str
    n_events: int
    n_recordings: int
    total_s: float
    median_s: float


def summarize(recordings: Sequence[DetectedRecording]) -> list[ClassSummary]:
    """Each class that occurs, in the order of their names."""
    of_class: dict[str, list[tuple[int, float]]] = {}
    for number, recording in enumerate(recordings):
        for event in recording.events:
            of_class.setdefault(event.label, []).append((number, event.offset_s - event.onset_s))
    return [
        ClassSummary(
            label,
            len(told),
            len({number for number, _ in told}),
            sum(length_s for _, length_s in told),
            median(length_s for _, length_s in told),
        )
        for label, told in sorted(of_class.items())
    ]


def slips(recordings: Sequence[DetectedRecording]) -> Iterator[str]:
    """What is allowed, and often a mistake: one line each."""
    yield from _like_names({event.label for recording in recordings for event in recording.events})
    for recording in recordings:
        for event in recording.events:
            if event.onset_s == event.offset_s:
                yield f"{recording.file}: {event.label!r} at {event.onset_s:g} s has no length"
        for first, second in _overlaps(recording.events):
            yield (
                f"{recording.file}: {first.label!r} from {first.onset_s:g} to {first.offset_s:g} s and "
                f"from {second.onset_s:g} to {second.offset_s:g} s overlap"
            )


def _like_names(names: set[str]) -> Iterator[str]:
    """Names that differ only in the case of letters and in what stands between words."""
    known: dict[str, str] = {}
    for name in sorted(names):
        plain = "".join(letter for letter in name.casefold() if letter.isalnum()) or name
        other = known.setdefault(plain, name)
        if other != name:
            yield f"classes {other!r} and {name!r} look like one"


def _overlaps(events: Sequence[SoundEvent]) -> Iterator[tuple[SoundEvent, SoundEvent]]:
    """Events of a class of which the second begins before the first has ended."""
    latest: dict[str, SoundEvent] = {}
    for event in sorted(events, key=lambda event: (event.onset_s, event.offset_s)):
        before = latest.get(event.label)
        if before is not None and event.onset_s < before.offset_s:
            yield before, event
        if before is None or event.offset_s > before.offset_s:
            latest[event.label] = event
