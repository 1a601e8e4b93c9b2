"""All sounds that soundscapes are made of, in groups that share no origin."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import NamedTuple

from htsat.data.soundscapes.foreground import Skipped, Sound, SoundFinder
from htsat.data.soundscapes.recipe import Recipe
from htsat.data.soundscapes.sources import Choice
from htsat.errors import DataError
from htsat.labels import LabelSet

OnClips = Callable[[int], object]

_USUAL_GROUPS = 5


class Group(NamedTuple):
    """Sounds that are heard together: those of every class, and of no origin that another group has."""

    name: str
    of_class: tuple[tuple[Sound, ...], ...]


class Pool(NamedTuple):
    """All that recordings are made of. Without backgrounds, noise is made."""

    labels: LabelSet
    groups: tuple[Group, ...]
    backgrounds: tuple[Sound, ...]
    skipped: tuple[Skipped, ...]

    def sounds(self) -> Iterator[Sound]:
        """All of them, backgrounds last."""
        for group in self.groups:
            yield from chain.from_iterable(group.of_class)
        yield from self.backgrounds


def find_pool(choice: Choice, recipe: Recipe, n_jobs: int = 1, on_clips: OnClips = lambda n: None) -> Pool:
    """Look for the sounds of all clips and deal them into groups.

    Args:
        choice: the clips.
        recipe: what counts as sound, and how many groups there are.
        n_jobs: threads that read.
        on_clips: is told whenever so many more clips are done.

    Raises:
        DataError: when no sound of a class, or no background, was found, or there are too few for the groups.
    """
    finder = SoundFinder(choice, recipe)
    with ThreadPoolExecutor(n_jobs) as pool:
        found: list[Sound | Skipped] = []
        for sounds in chain(
            pool.map(finder.sounds, choice.clips), pool.map(finder.backgrounds, choice.backgrounds)
        ):
            found += sounds
            on_clips(1)
    skipped = tuple(one for one in found if isinstance(one, Skipped))
    sounds = [one for one in found if isinstance(one, Sound) and one.label]
    backgrounds = tuple(one for one in found if isinstance(one, Sound) and not one.label)
    if choice.backgrounds and not backgrounds:
        raise DataError(f"none of {len(choice.backgrounds)} backgrounds can be used; {skipped[-1].reason}")
    return Pool(choice.labels, _deal(sounds, choice.labels, recipe), backgrounds, skipped)


def _deal(sounds: Sequence[Sound], labels: LabelSet, recipe: Recipe) -> tuple[Group, ...]:
    """Deal the origins of sounds into groups, so that each group has sounds of all classes.

    Raises:
        DataError: when a class has too few origins.
    """
    found = {sound.label for sound in sounds}
    for label in labels:
        if label not in found:
            raise DataError(f"no sound of class {label!r} was found in its clips")
    origins = sorted({sound.clip.origin for sound in sounds})
    random.Random(recipe.seed).shuffle(origins)
    for n_groups in (recipe.n_groups,) if recipe.n_groups else range(_USUAL_GROUPS, 0, -1):
        parts = _parts(sounds, origins, labels, n_groups)
        if all(all(part.of_class) for part in parts):
            return parts
    raise DataError(f"some class has sounds of too few origins for {recipe.n_groups} groups")


def _parts(
    sounds: Sequence[Sound], origins: Sequence[str], labels: LabelSet, n_groups: int
) -> tuple[Group, ...]:
    """Every origin, with all of its sounds, goes where its first class has the fewest origins so far."""
    of_origin = defaultdict(list)
    for sound in sounds:
        of_origin[sound.clip.origin].append(sound)
    members: list[list[str]] = [[] for _ in range(n_groups)]
    n_of_class = [Counter[str]() for _ in range(n_groups)]
    for origin in origins:
        classes = {sound.label for sound in of_origin[origin]}
        rarest = min(classes, key=lambda label: (sum(counts[label] for counts in n_of_class), label))
        place = min(range(n_groups), key=lambda number: n_of_class[number][rarest])
        members[place].append(origin)
        n_of_class[place].update(classes)
    return tuple(_group(names, of_origin, labels) for names in members)


def _group(origins: Sequence[str], of_origin: Mapping[str, Sequence[Sound]], labels: LabelSet) -> Group:
    sounds = [sound for origin in sorted(origins) for sound in of_origin[origin]]
    of_class = tuple(tuple(sound for sound in sounds if sound.label == label) for label in labels)
    return Group(f"with {min(origins, default='')}", of_class)
