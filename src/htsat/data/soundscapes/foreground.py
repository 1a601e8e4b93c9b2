"""Sounds, and where in their clips they lie.

Strong labels say it where a clip has some; else the energy of a clip with one label does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from threading import local
from typing import NamedTuple

from htsat.data.clip import Clip
from htsat.data.events import EventFiles
from htsat.data.soundscapes.activity import (
    Active,
    Samples,
    block_powers,
    find_backgrounds,
    find_sounds,
    is_silent,
)
from htsat.data.soundscapes.recipe import Recipe
from htsat.data.soundscapes.sources import Choice
from htsat.data.stores import SoundReader
from htsat.errors import AudioError
from htsat.scores import SoundEvent


class Sound(NamedTuple):
    """A class that is heard in a clip; a background has no label.

    Its parts are loud, in samples from the clip's start, with short silences between them.
    """

    clip: Clip
    label: str
    parts: Active

    @property
    def start(self) -> int:
        """Its first sample in the clip."""
        return self.parts[0].start

    @property
    def stop(self) -> int:
        """The first sample of the clip behind it."""
        return self.parts[-1].stop

    def heard_between(self, start: int, stop: int, n_least: int) -> Samples | None:
        """What remains of it between two samples of the clip, from the first loud one to the last.

        Rests of parts that are shorter than `n_least` do not count.
        """
        rests = [(max(start, part.start), min(stop, part.stop), part) for part in self.parts]
        heard = [rest for *rest, part in rests if rest[1] - rest[0] >= min(n_least, part.stop - part.start)]
        return Samples(heard[0][0], heard[-1][1]) if heard else None


class Skipped(NamedTuple):
    """A clip that gives no sound, and why: it cannot be read, or nothing in it is fit."""

    clip: Clip
    reason: str
    is_broken: bool


class SoundFinder:
    """Finds the sounds of a clip, in any thread: each has a reader of its own."""

    def __init__(self, choice: Choice, recipe: Recipe) -> None:
        self._labels = set(choice.labels)
        self._recipe = recipe
        self._events = EventFiles(choice.clips)
        self._own = local()

    @property
    def _reader(self) -> SoundReader:
        if not hasattr(self._own, "reader"):
            self._own.reader = SoundReader(self._recipe.sample_rate)
        reader: SoundReader = self._own.reader
        return reader

    def sounds(self, clip: Clip) -> list[Sound] | list[Skipped]:
        """The sounds of a clip, or why it has none."""
        if clip.events is None and len(clip.labels) > 1:
            return [
                Skipped(
                    clip, f"{clip.title}: has {len(clip.labels)} labels, but not when each is heard", False
                )
            ]
        try:
            sounds = self._by_energy(clip) if clip.events is None else self._by_labels(clip)
        except AudioError as error:
            return [Skipped(clip, str(error), True)]
        shortest_s = self._recipe.activity.shortest_s
        return sounds or [Skipped(clip, f"{clip.title}: no sound is {shortest_s:g} s long", False)]

    def backgrounds(self, clip: Clip) -> list[Sound] | list[Skipped]:
        """The stretches of a clip that can be a background, or why it has none."""
        rate = self._recipe.sample_rate
        try:
            stretches = find_backgrounds(block_powers(self._reader, clip), rate)
        except AudioError as error:
            return [Skipped(clip, str(error), True)]
        sounds = [Sound(clip, "", parts) for parts in stretches]
        return sounds or [Skipped(clip, f"{clip.title}: holds no background of 1 s between silences", False)]

    def _by_energy(self, clip: Clip) -> list[Sound]:
        powers = block_powers(self._reader, clip)
        sounds = find_sounds(powers, self._recipe.activity, self._recipe.sample_rate)
        return [Sound(clip, clip.labels[0], parts) for parts in sounds]

    def _by_labels(self, clip: Clip) -> list[Sound]:
        """The events that no other one overlaps."""
        rate = self._recipe.sample_rate
        n_shortest = self._recipe.activity.shortest_s * rate
        powers, n_there = block_powers(self._reader, clip), self._reader.n_samples(clip)
        sounds = []
        for event in _apart(self._events.of(clip)):
            stretch = Samples(round(event.onset_s * rate), min(round(event.offset_s * rate), n_there))
            is_long = stretch.stop - stretch.start >= n_shortest
            if event.label in self._labels and is_long and not is_silent(powers, stretch, rate):
                sounds.append(Sound(clip, event.label, (stretch,)))
        return sounds


def _apart(events: Iterable[SoundEvent]) -> Iterator[SoundEvent]:
    """The events during which no other is heard."""
    ordered = sorted(events, key=lambda event: event.onset_s)
    if not ordered:
        return
    offsets_s = [float("-inf"), *accumulate((event.offset_s for event in ordered[:-1]), max)]
    onsets_s = [*(event.onset_s for event in ordered[1:]), float("inf")]
    for event, before_s, after_s in zip(ordered, offsets_s, onsets_s, strict=True):
        if before_s <= event.onset_s and event.offset_s <= after_s:
            yield event
