from __future__ import annotations

import random

import pytest

from htsat.reports.choice import Choice, Place
from htsat.scores import SoundEvent


def places(n_events, label="dog"):
    rng = random.Random(0)
    return [Place(n % 7, SoundEvent(label, n, n + 1, rng.random() ** 0.2)) for n in range(n_events)]


def chosen(events, n_per_class, choose):
    choice = Choice(n_per_class, choose)
    for place in events:
        choice.add(place)
    return choice.chosen()


def test_the_best_are_the_most_probable():
    events = places(500)
    expected = sorted(events, key=lambda place: -place.event.probability)[:20]
    assert chosen(events, 20, "best") == {"dog": expected}


def test_a_spread_has_as_many_of_each_tenth_as_there_are():
    events = places(2000)
    bands = [min(int(place.event.probability * 10), 9) for place in chosen(events, 30, "spread")["dog"]]
    there = {band: sum(int(p.event.probability * 10) == band for p in events) for band in range(10)}
    counts = {band: bands.count(band) for band in there}
    assert sum(counts.values()) == 30
    full = [counts[band] for band in there if counts[band] < there[band]]
    assert max(full) - min(full) <= 1
    assert all(counts[band] == there[band] for band in there if counts[band] < min(full))


@pytest.mark.parametrize("choose", ["best", "spread"])
def test_the_choice_depends_on_nothing_but_the_events(choose):
    events = places(300)
    shuffled = random.Random(1).sample(events, len(events))
    assert chosen(events, 10, choose) == chosen(shuffled, 10, choose)


def test_classes_are_apart_and_certain_events_count():
    events = [*places(5), *places(5, "cat"), Place(0, SoundEvent("owl", 0, 1, 1.0))]
    found = chosen(events, 3, "spread")
    assert {label: len(kept) for label, kept in found.items()} == {"cat": 3, "dog": 3, "owl": 1}
