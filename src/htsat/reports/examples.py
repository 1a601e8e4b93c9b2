"""Events with a small picture and their sound, for a page whose size is limited."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from htsat.audio.blocks import mix_down
from htsat.errors import AudioError
from htsat.pictures.lanes import Span
from htsat.reports.choice import Place
from htsat.reports.excerpts import Excerpt, excerpts
from htsat.reports.small_audio import encoded
from htsat.reports.thumbnail import thumbnail

_CONTEXT_S = 0.5
_LONGEST_S = 6.0


class Example(NamedTuple):
    """An event that can be seen and heard: the pieces of a PNG and an MP3 file, and what they show."""

    place: Place
    span: Span
    picture: bytes
    sound: bytes

    @property
    def n_bytes(self) -> int:
        """What it adds to a page, which holds four characters for three bytes."""
        return (len(self.picture) + len(self.sound)) * 4 // 3


class Examples(NamedTuple):
    """The examples of each class, and how many more there was no room for."""

    by_class: dict[str, list[Example]]
    n_left_out: int


def make_examples(
    chosen: Mapping[str, Sequence[Place]],
    paths: Sequence[Path],
    n_most_bytes: int,
    failed: Callable[[AudioError], None],
) -> Examples:
    """Cut out chosen events, as many as there is room for: the first of each class before the second of any.

    `paths` are those of the recordings; each is opened once. What cannot be read goes to `failed`.
    """
    order = [place for rank in zip_longest(*chosen.values()) for place in rank if place is not None]
    made = {id(example.place): example for example in _cut_all(order, paths, failed)}
    by_class: dict[str, list[Example]] = {label: [] for label in chosen}
    n_left, n_left_out = n_most_bytes, 0
    for example in (made[id(place)] for place in order if id(place) in made):
        if example.n_bytes > n_left:
            n_left_out += 1
            continue
        n_left -= example.n_bytes
        by_class[example.place.event.label].append(example)
    return Examples(by_class, n_left_out)


def _cut_all(
    places: Sequence[Place], paths: Sequence[Path], failed: Callable[[AudioError], None]
) -> Iterator[Example]:
    by_recording: dict[int, list[Place]] = {}
    for place in places:
        by_recording.setdefault(place.recording, []).append(place)
    for recording, own in by_recording.items():
        by_span: dict[Span, list[Place]] = {}
        for place in own:
            by_span.setdefault(_span(place), []).append(place)
        try:
            for excerpt in excerpts(paths[recording], list(by_span)):
                yield from (_example(place, excerpt) for place in by_span[excerpt.span])
        except AudioError as error:
            failed(error)


def _span(place: Place) -> Span:
    start_s = max(0.0, place.event.onset_s - _CONTEXT_S)
    return Span(start_s, min(place.event.offset_s + _CONTEXT_S, start_s + _LONGEST_S))


def _example(place: Place, excerpt: Excerpt) -> Example:
    waveform = mix_down(excerpt.samples.T)
    picture = thumbnail(waveform, excerpt.sample_rate)
    return Example(place, excerpt.span, picture, encoded([waveform], excerpt.sample_rate))
