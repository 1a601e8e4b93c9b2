"""Which clips soundscapes are made from: those of classes and folds, and backgrounds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from htsat.data.clip import Clip
from htsat.data.manifest import MANIFEST_NAMES, Manifest, read_data
from htsat.errors import ConfigError, DataError
from htsat.labels import LabelSet


class Choice(NamedTuple):
    """The clips that sounds are taken from, those for backgrounds, and the classes that are events."""

    clips: tuple[Clip, ...]
    backgrounds: tuple[Clip, ...]
    labels: LabelSet


def choose(
    manifest: Manifest,
    folds: Sequence[str] = (),
    classes: Sequence[str] = (),
    background_classes: Sequence[str] = (),
) -> Choice:
    """Pick the clips of folds and classes; none given means all (classes: but those of backgrounds).

    Raises:
        ConfigError: when a class is to be event and background.
        DataError: when there is no such fold or class, or no clip of a class.
    """
    for name in (*classes, *background_classes):
        manifest.labels.index(name)
    both = set(classes) & set(background_classes)
    if both:
        raise ConfigError(f"class {min(both)!r} cannot be both event and background")
    there = {clip.fold for clip in manifest.clips}
    for fold in folds:
        if fold not in there:
            found = ", ".join(sorted(name for name in there if name is not None)) or "none"
            raise DataError(f"no clip has fold {fold}; the folds are: {found}")
    of_folds = [clip for clip in manifest.clips if not folds or clip.fold in folds]
    wanted = set(classes) or set(manifest.labels) - set(background_classes)
    backgrounds = [clip for clip in of_folds if clip.labels and set(clip.labels) <= set(background_classes)]
    clips = [clip for clip in of_folds if set(clip.labels) & wanted]
    heard = {label for clip in (*clips, *backgrounds) for label in clip.labels}
    for name in manifest.labels:
        if name in wanted | set(background_classes) and name not in heard:
            raise DataError(
                f"no clip has class {name!r}{' in the chosen folds: ' + ', '.join(folds) if folds else ''}"
            )
    return Choice(tuple(clips), tuple(backgrounds), LabelSet.of(n for n in manifest.labels if n in wanted))


def read_backgrounds(source: Path, suffixes: frozenset[str]) -> tuple[Clip, ...]:
    """The clips of a manifest, or all recordings in a folder and below it.

    Raises:
        DataError: when there are none.
    """
    if not source.is_dir() or any((source / name).is_file() for name in MANIFEST_NAMES):
        return read_data(source, suffixes).clips
    paths = [path for path in sorted(source.rglob("*")) if path.suffix.lower() in suffixes]
    if not paths:
        raise DataError(f"{source}: no recordings for backgrounds")
    return tuple(Clip(path, ()) for path in paths)
