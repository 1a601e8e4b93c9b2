"""Which of many events are shown or cut out: the most probable of each class, or some of every score."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from hashlib import blake2b
from itertools import count
from typing import Literal, NamedTuple

from htsat.scores import SoundEvent

Choose = Literal["best", "spread"]

_N_BANDS = 10


class Place(NamedTuple):
    """An event and the number of its recording."""

    recording: int
    event: SoundEvent


class Choice:
    """Takes events one after the other and keeps at most `n_per_class` of each class.

    `best` keeps the most probable. `spread` keeps, by lot, the same number of each tenth of the probabilities
    as far as there are so many. The lot of an event depends on nothing but itself, so it falls the same way
    each time. Memory does not grow with the number of events.
    """

    def __init__(self, n_per_class: int, choose: Choose) -> None:
        self._n_per_class = n_per_class
        self._choose = choose
        self._kept: dict[str, list[list[tuple[float, int, Place]]]] = {}
        self._number = count()

    def add(self, place: Place) -> None:
        """Look at the next event."""
        bands = self._kept.setdefault(place.event.label, [[] for _ in range(_N_BANDS)])
        if self._choose == "best":
            self._keep(bands[0], place.event.probability, place)
        else:
            band = min(int(place.event.probability * _N_BANDS), _N_BANDS - 1)
            self._keep(bands[band], _lot(place), place)

    def chosen(self) -> dict[str, list[Place]]:
        """The events of each class, the most probable first; classes in alphabetical order."""
        return {
            label: sorted(self._take(bands), key=lambda place: -place.event.probability)
            for label, bands in sorted(self._kept.items())
        }

    def _keep(self, band: list[tuple[float, int, Place]], worth: float, place: Place) -> None:
        # The number makes ties fall to the earlier event, and keeps events from being compared.
        heapq.heappush(band, (worth, -next(self._number), place))
        if len(band) > self._n_per_class:
            heapq.heappop(band)

    def _take(self, bands: list[list[tuple[float, int, Place]]]) -> list[Place]:
        ordered = [sorted(band, reverse=True) for band in reversed(bands)]
        return [place for place, _ in zip(_in_turn(ordered), range(self._n_per_class), strict=False)]


def _in_turn(bands: list[list[tuple[float, int, Place]]]) -> Iterator[Place]:
    """The first of each band, then the second of each."""
    for rank in range(max(map(len, bands))):
        yield from (band[rank][2] for band in bands if rank < len(band))


def _lot(place: Place) -> float:
    name = f"{place.recording} {place.event.label} {place.event.onset_s:.4f}"
    return float(int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=6).digest(), "big"))
