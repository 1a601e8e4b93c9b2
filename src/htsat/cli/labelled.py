"""Labelled recordings and classes that a command is given."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from htsat.audio import SUFFIXES
from htsat.cli.terminal import say
from htsat.data.manifest import Clip, Manifest, read_data
from htsat.errors import DataError
from htsat.labels import LabelSet


def read_labelled(source: Path) -> Manifest:
    """Read a manifest or a folder, and say on standard error what was left out of it.

    Raises:
        DataError: as `htsat.data.manifest.read_data`.
    """
    manifest = read_data(source, SUFFIXES)
    for note in manifest.notes:
        say(note)
    return manifest


def clip_bar(clips: Sequence[Clip]) -> Iterable[Clip]:
    """Passes clips on, with a bar for those who sit at a terminal."""
    return tqdm(clips, unit="clip", disable=not sys.stderr.isatty())


def read_labels(source: str) -> LabelSet:
    """A label set by its name, or from a file with a class on each line.

    Raises:
        DataError: when there is no such set, or the file does not hold one.
    """
    path = Path(source)
    if not path.is_file():
        return LabelSet.named(source)
    try:
        return LabelSet.listed(path.read_text(encoding="utf-8"))
    except (DataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from None
