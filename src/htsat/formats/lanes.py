"""Events in lanes without overlaps: some formats let the entries of a tier follow each other only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from htsat.formats.recording import one_line
from htsat.scores import SoundEvent


class Lane(NamedTuple):
    """Events of one class that do not overlap, by onset."""

    name: str
    events: list[SoundEvent]


def lanes(events: Iterable[SoundEvent]) -> list[Lane]:
    """A lane for each class, and more where its events overlap (`Dog`, `Dog 2`).

    Names are single lines, and differ. Where there are no events there is one lane without any.
    """
    of_classes: dict[str, list[list[SoundEvent]]] = {}
    for event in sorted(events, key=lambda event: (event.label, event.onset_s, event.offset_s)):
        of_class = of_classes.setdefault(one_line(event.label), [])
        free = next((lane for lane in of_class if lane[-1].offset_s <= event.onset_s), None)
        if free is None:
            of_class.append([event])
        else:
            free.append(event)
    found: dict[str, list[SoundEvent]] = {}
    for name, of_class in of_classes.items():
        for lane in of_class:
            found[_free_name(name, found.keys() | (of_classes.keys() - {name}))] = lane
    return [Lane(name, lane) for name, lane in found.items()] or [Lane("events", [])]


def _free_name(name: str, taken: Iterable[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} {number}"
    return free
