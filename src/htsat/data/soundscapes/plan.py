"""What is drawn for a recording: a function of the seed, the number of the recording and the sounds alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from htsat.data.soundscapes.activity import Samples
from htsat.data.soundscapes.foreground import Sound
from htsat.data.soundscapes.pool import Group, Pool
from htsat.data.soundscapes.recipe import Recipe

_TRIES = 30
"""Sounds and places that are tried for an event before the recording counts as full."""
_APART_S = 0.25
"""Events of one class that came nearer to each other would be heard, and counted, as one."""
_REST_S = 0.05
"""Less of what was cut would not be heard as an event's beginning or end."""
_NOISE_SLOPE = (1.0, 2.0)
"""Of made backgrounds: from pink noise to brown."""
_DIRECT_DB = (0.0, 10.0)
"""Power of a sound's direct way against that of the reverberation."""


class Room(NamedTuple):
    """A response that is drawn anew for each event: from its own seed, with the reverberation of the room."""

    seed: int
    rt60_s: float
    direct_db: float


class PlacedSound(NamedTuple):
    """A sound, its stretch `source` of the clip, and its place in the recording, in samples.

    `room` None means dry.
    """

    sound: Sound
    source: Samples
    onset: int
    snr_db: float
    room: Room | None

    @property
    def offset(self) -> int:
        """The first sample behind it."""
        return self.onset + self.source.stop - self.source.start


class Background(NamedTuple):
    """What is heard all the time: a sound from the sample `first` of its clip on, or noise of this slope."""

    sound: Sound | None
    first: int
    seed: int
    slope: float
    level_db: float


class Plan(NamedTuple):
    """A recording that can be made."""

    number: int
    group: Group
    background: Background
    events: tuple[PlacedSound, ...]
    n_wanted: int
    """Events that were drawn; not all may have found a place."""


def plan(number: int, pool: Pool, recipe: Recipe) -> Plan:
    """Draw the recording with this number."""
    random = np.random.default_rng((recipe.seed, number))
    group = pool.groups[number % len(pool.groups)]
    background = _draw_background(random, pool, recipe)
    rt60_s = recipe.rt60_s.draw(random)
    n_wanted = int(random.integers(int(recipe.n_events.low), int(recipe.n_events.high) + 1))
    events: list[PlacedSound] = []
    for _ in range(n_wanted):
        event = _draw_event(random, group, recipe, rt60_s, events)
        if event is not None:
            events.append(event)
    ordered = sorted(events, key=lambda event: (event.onset, event.offset, event.sound.label))
    return Plan(number, group, background, tuple(ordered), n_wanted)


def _draw_background(random: np.random.Generator, pool: Pool, recipe: Recipe) -> Background:
    level_db, slope = recipe.background_db.draw(random), float(random.uniform(*_NOISE_SLOPE))
    seed = int(random.integers(2**32))
    if not pool.backgrounds:
        return Background(None, 0, seed, slope, level_db)
    sound = pool.backgrounds[int(random.integers(len(pool.backgrounds)))]
    first = int(random.integers(max(1, sound.stop - sound.start - recipe.n_samples + 1)))
    return Background(sound, sound.start + first, seed, slope, level_db)


def _draw_event(
    random: np.random.Generator, group: Group, recipe: Recipe, rt60_s: float, others: list[PlacedSound]
) -> PlacedSound | None:
    """An event that has a place beside the others; None where none was found."""
    snr_db, in_room = recipe.snr_db.draw(random), random.random() < recipe.reverberation
    room = Room(int(random.integers(2**32)), rt60_s, float(random.uniform(*_DIRECT_DB)))
    for _ in range(_TRIES):
        sounds = group.of_class[int(random.integers(len(group.of_class)))]
        sound = sounds[int(random.integers(len(sounds)))]
        source = _draw_stretch(random, sound, recipe)
        place = random.random()
        if source is None:
            continue
        n_free = recipe.n_samples - (source.stop - source.start)
        event = PlacedSound(sound, source, int(place * (n_free + 1)), snr_db, room if in_room else None)
        if _fits(event, others, recipe):
            return event
    return None


def _draw_stretch(random: np.random.Generator, sound: Sound, recipe: Recipe) -> Samples | None:
    """A sound, or a part of it if it is too long; None where the part fell into silence."""
    longest = round(min(recipe.longest_s.draw(random), recipe.duration_s) * recipe.sample_rate)
    start = sound.start + int(random.integers(max(0, sound.stop - sound.start - longest) + 1))
    heard = sound.heard_between(start, start + longest, round(_REST_S * recipe.sample_rate))
    if heard is None or heard.stop - heard.start < recipe.activity.shortest_s * recipe.sample_rate:
        return None
    return heard


def _fits(event: PlacedSound, others: list[PlacedSound], recipe: Recipe) -> bool:
    apart = round(_APART_S * recipe.sample_rate)
    for other in others:
        is_near = event.onset - apart < other.offset and other.onset < event.offset + apart
        if is_near and other.sound.label == event.sound.label:
            return False
    return most_at_once([*others, event]) <= recipe.max_overlap


def most_at_once(events: list[PlacedSound]) -> int:
    """The largest number of events that sound together at any instant."""
    return max((sum(event.onset <= at.onset < event.offset for event in events) for at in events), default=0)
