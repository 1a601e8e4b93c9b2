"""Soundscapes in a folder that is a data set.

They are made in `FOLDER.unfinished`, which takes its name when all is there. Every recording is written whole
and depends on its number alone: killed at any moment, the same call makes what is missing and ends with the
same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Any, NamedTuple

from htsat.data.clip import Clip
from htsat.data.encoding import encode
from htsat.data.events import write_events
from htsat.data.manifest import Manifest, write_manifest
from htsat.data.soundscapes.mixing import mix
from htsat.data.soundscapes.plan import Plan, plan
from htsat.data.soundscapes.pool import Pool
from htsat.data.soundscapes.recipe import Range, Recipe
from htsat.data.soundscapes.trace import Gains, events_of, file_of, trace_of
from htsat.data.stores import SoundReader
from htsat.errors import DataError
from htsat.files import atomic_path

_RECIPE_NAME = "recipe.json"
_AUDIO, _NOTES = "audio", "notes"
_VERSION = 1
"""Of what a seed means: another number, other recordings."""
_AHEAD = 4


class Order(NamedTuple):
    """How many recordings, and what stands beside them: the fold they are, and whom their sources thank."""

    n_recordings: int
    fold: str | None = None
    attribution: str = ""


class Written(NamedTuple):
    """What is in the folder: events of each class, and how many that were drawn found no place."""

    n_recordings: int
    n_groups: int
    n_events: dict[str, int]
    n_without_place: int


def write_soundscapes(
    pool: Pool,
    recipe: Recipe,
    order: Order,
    folder: Path,
    n_jobs: int = 1,
    on_recordings: Callable[[int], object] = lambda n: None,
) -> Written:
    """Make the recordings, or those that an interrupted call left out.

    Args:
        pool: what they are made of.
        recipe: how.
        order: how many.
        folder: where they go; it is there when all is done, and not before.
        n_jobs: threads; the bytes do not depend on it.
        on_recordings: is told whenever so many more recordings are done.

    Raises:
        DataError: when the folder holds something else.
        AudioError: when a source cannot be read any more.
    """
    settings = _settings(pool, recipe, order)
    if _is_done(folder, settings):
        on_recordings(order.n_recordings)
        return _summary([plan(number, pool, recipe) for number in range(order.n_recordings)], pool)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    _begin(unfinished, settings)
    maker = _Maker(pool, recipe, unfinished)
    gains = []
    for one in maker.all(order.n_recordings, n_jobs):
        gains.append(one)
        on_recordings(1)
    plans = [plan(number, pool, recipe) for number in range(order.n_recordings)]
    _write_tables(unfinished, plans, pool, recipe, order)
    traces = [trace_of(*both, recipe.sample_rate) for both in zip(plans, gains, strict=True)]
    skipped = [{"file": one.clip.title, "reason": one.reason} for one in pool.skipped]
    _write_json(unfinished / _RECIPE_NAME, {"settings": settings, "skipped": skipped, "recordings": traces})
    _finish(unfinished, folder)
    return _summary(plans, pool)


def _settings(pool: Pool, recipe: Recipe, order: Order) -> dict[str, Any]:
    """What the bytes depend on."""
    sources = hashlib.sha256(json.dumps(pool.labels.names).encode())
    sounds = list(pool.sounds())
    for sound in sounds:
        parts = [tuple(part) for part in sound.parts]
        sources.update(json.dumps([sound.clip.title, sound.clip.start_s, sound.label, parts]).encode())
    return {
        "version": _VERSION,
        "n_recordings": order.n_recordings,
        "fold": order.fold,
        **_as_json(recipe),
        "classes": list(pool.labels),
        "sounds": f"{len(sounds)} (SHA-256 {sources.hexdigest()[:16]})",
    }


def _as_json(recipe: Recipe) -> dict[str, Any]:
    values = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    ranges = {name: str(value) for name, value in values.items() if isinstance(value, Range)}
    return values | ranges | {"activity": dataclasses.asdict(recipe.activity)}


def _is_done(folder: Path, settings: dict[str, Any]) -> bool:
    """Whether the recordings are there already.

    Raises:
        DataError: when something else is there.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not (folder / _RECIPE_NAME).is_file():
        raise DataError(f"{folder}: is not empty, and holds no soundscapes")
    _check(folder, settings)
    return True


def _begin(unfinished: Path, settings: dict[str, Any]) -> None:
    """Make the folder, or go on in it."""
    if (unfinished / _RECIPE_NAME).is_file():
        _check(unfinished, settings)
        for leftover in unfinished.rglob(".*"):
            leftover.unlink()
    elif unfinished.exists() and any(not path.name.startswith(".") for path in unfinished.iterdir()):
        raise DataError(f"{unfinished}: is not empty, and no soundscapes were begun in it")
    else:
        _write_json(unfinished / _RECIPE_NAME, {"settings": settings})
    (unfinished / _AUDIO).mkdir(exist_ok=True)
    (unfinished / _NOTES).mkdir(exist_ok=True)


def _finish(unfinished: Path, folder: Path) -> None:
    try:
        shutil.rmtree(unfinished / _NOTES)
    except OSError as error:  # it names the file without its folder
        raise DataError(f"{unfinished}: {error.strerror}; the same command goes on from here") from error
    if folder.exists():
        folder.rmdir()
    unfinished.rename(folder)


def _check(folder: Path, settings: dict[str, Any]) -> None:
    path = folder / _RECIPE_NAME
    try:
        there = json.loads(path.read_text(encoding="utf-8"))["settings"]
        there = {name: there[name] for name in settings}
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: cannot be read as the recipe of soundscapes") from None
    for name, value in settings.items():
        if there[name] != value:
            raise DataError(
                f"{folder}: was begun with {name} {there[name]}, not {value}; take another folder"
            )


class _Maker:
    """Makes recordings, in any thread: each has a reader of its own."""

    def __init__(self, pool: Pool, recipe: Recipe, folder: Path) -> None:
        self._pool, self._recipe, self._folder = pool, recipe, folder
        self._own = local()

    def all(self, n_recordings: int, n_jobs: int) -> Iterator[Gains]:
        """The gains of all recordings in turn, which are then on disk."""
        step = n_jobs * _AHEAD
        with ThreadPoolExecutor(n_jobs) as threads:
            for start in range(0, n_recordings, step):
                yield from threads.map(self._made, range(start, min(start + step, n_recordings)))

    def _made(self, number: int) -> Gains:
        audio = self._folder / _AUDIO / file_of(number)
        note = self._folder / _NOTES / f"{number:06}.json"
        if audio.is_file() and note.is_file():
            background_db, events_db = json.loads(note.read_text(encoding="utf-8"))
            return Gains(background_db, tuple(events_db))
        if not hasattr(self._own, "reader"):
            self._own.reader = SoundReader(self._recipe.sample_rate)
        mixture = mix(plan(number, self._pool, self._recipe), self._recipe, self._own.reader)
        with atomic_path(audio) as temporary:
            temporary.write_bytes(encode(mixture.waveform, self._recipe.sample_rate, "flac"))
        _write_json(note, mixture.gains)
        return mixture.gains


def _write_tables(folder: Path, plans: Sequence[Plan], pool: Pool, recipe: Recipe, order: Order) -> None:
    """The manifest with its strong labels, and how long each recording is."""
    names = [file_of(one.number) for one in plans]
    events = [events_of(one, recipe.sample_rate) for one in plans]
    write_events(folder / "events.tsv", zip(names, events, strict=True))
    duration_s = recipe.n_samples / recipe.sample_rate
    _write_text(
        folder / "durations.tsv", ["filename\tduration", *(f"{name}\t{duration_s}" for name in names)]
    )
    clips = [
        Clip(
            folder / _AUDIO / name,
            tuple(label for label in pool.labels if label in {event.label for event in heard}),
            duration_s=duration_s,
            fold=order.fold,
            group=one.group.name,
            events=folder / "events.tsv",
        )
        for one, name, heard in zip(plans, names, events, strict=True)
    ]
    write_manifest(folder / "manifest.tsv", Manifest(tuple(clips), pool.labels))
    if order.attribution:
        _write_text(folder / "ATTRIBUTION.md", order.attribution.splitlines())


def _write_json(path: Path, document: object) -> None:
    _write_text(path, [json.dumps(document, indent=1, ensure_ascii=False)])


def _write_text(path: Path, lines: Iterable[str]) -> None:
    with atomic_path(path) as temporary:
        text = "".join(f"{line}\n" for line in lines)
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def _summary(plans: Sequence[Plan], pool: Pool) -> Written:
    heard = [event.sound.label for one in plans for event in one.events]
    n_wanted = sum(one.n_wanted for one in plans)
    n_events = {label: heard.count(label) for label in pool.labels}
    return Written(len(plans), len(pool.groups), n_events, n_wanted - len(heard))
