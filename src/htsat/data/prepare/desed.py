"""DESED (Turpault et al., 2019): domestic sounds with strong, weak and no labels, 10 classes.

Each release holds `audio/` and `metadata/`; releases may be merged into one folder or lie side by side in it.
Labels are tables with tabs: strong ones `filename onset offset event_label`, where a recording without events
has a row without onset; weak ones `filename event_labels`, the labels joined by commas.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from htsat.audio import SUFFIXES
from htsat.data.manifest import Clip
from htsat.data.prepare.listing import Listing, Missing
from htsat.data.prepare.youtube import parse_name
from htsat.errors import DataError
from htsat.labels import LabelSet

UNLABELLED = "unlabelled"


class _Part(NamedTuple):
    """A part of the data set: its folders and tables in the releases, the first that is there counts."""

    fold: str
    folders: tuple[str, ...]
    tables: tuple[str, ...]
    n_published: int | None


_PARTS = (
    _Part("weak", ("train/weak",), ("train/weak",), 1_578),
    _Part(
        "synthetic",
        ("train/synthetic21_train/soundscapes", "train/synthetic20/soundscapes", "train/synthetic"),
        ("train/synthetic21_train/soundscapes", "train/synthetic20/soundscapes", "train/synthetic"),
        None,
    ),
    _Part("validation", ("validation/validation", "validation"), ("validation/validation",), 1_168),
    _Part("public", ("eval/public",), ("eval/public",), 692),
    _Part(UNLABELLED, ("train/unlabel_in_domain",), (), 14_412),
)


class _FoundPart(NamedTuple):
    """A part whose folder is there; `table` is None for recordings without labels."""

    part: _Part
    folder: Path
    table: Path | None


@dataclass
class _Contents:
    """What the parts hold, while they are read."""

    labels: LabelSet
    clips: list[Clip] = field(default_factory=list)
    unlabelled: list[Clip] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)


def read_desed(source: Path, *, keep_unlabelled: bool = False) -> Listing:
    """List the parts that are there, as folds `weak`, `synthetic`, `validation`, `public`, `unlabelled`.

    Clips of strongly labelled parts have the classes of their events as labels.

    Args:
        source: the folder of the data set, or one that holds several releases of it.
        keep_unlabelled: take recordings without labels for clips too, with none of the classes.

    Raises:
        DataError: when no part is there, or a part has no table of labels or one that cannot be read.
    """
    parts = [found for part in _PARTS for found in _find(part, _releases(source))]
    if not parts:
        raise DataError(f"{source}: no part of DESED below it, such as audio/eval/public")
    contents = _Contents(LabelSet.named("desed"))
    for found in parts:
        if found.table is None:
            contents.unlabelled += [_clip(found, path) for path in _recordings(found.folder)]
        else:
            _read_labelled(found, found.table, contents)
    absent = [part.fold for part in _PARTS if part.fold not in {found.part.fold for found in parts}]
    return Listing(
        "DESED",
        tuple(contents.clips + contents.unlabelled if keep_unlabelled else contents.clips),
        contents.labels,
        tuple(contents.missing),
        () if keep_unlabelled else tuple(contents.unlabelled),
        tuple(contents.unlisted),
        contents.unknown,
        {found.part.fold: found.part.n_published for found in parts if found.part.n_published},
        with_durations=True,
        notes=tuple(_notes(contents, absent)),
    )


def _notes(contents: _Contents, absent: list[str]) -> Iterator[str]:
    if absent:
        yield f"parts that are not there: {', '.join(absent)}"
    if contents.unlabelled:
        yield f"of {len(contents.unlabelled):,} recordings nothing is known (fold {UNLABELLED})"


def _releases(source: Path) -> list[Path]:
    """The folders that hold `audio` and `metadata`: the source itself or up to two levels below it."""
    if not source.is_dir():
        raise DataError(f"{source}: is not a folder")
    below = [path for pattern in ("*", "*/*") for path in sorted(source.glob(pattern))]
    return [path for path in (source, *below) if (path / "audio").is_dir() and (path / "metadata").is_dir()]


def _find(part: _Part, releases: Iterable[Path]) -> Iterator[_FoundPart]:
    """The part in the first release that has recordings of it."""
    for release in releases:
        for folder in (release / "audio" / name for name in part.folders):
            if folder.is_dir() and _recordings(folder):
                yield _FoundPart(part, folder, _table(release / "metadata", part) if part.tables else None)
                return


def _table(metadata: Path, part: _Part) -> Path:
    for name in part.tables:
        for path in (metadata / f"{name}.tsv", metadata / f"{name}.csv"):
            if path.is_file():
                return path
    raise DataError(
        f"{metadata / part.tables[0]}.tsv: not found; it holds the labels of the part {part.fold}"
    )


def _recordings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _read_labelled(found: _FoundPart, table: Path, contents: _Contents) -> None:
    labelled, is_strong = _read_table(table)
    there = {path.name: path for path in _recordings(found.folder)}
    contents.unlisted += [str(path) for name, path in there.items() if name not in labelled]
    for name, names in labelled.items():
        if name not in there:
            contents.missing.append(Missing(name, found.part.fold))
            continue
        labels = _known(names, contents)
        if labels or not names:
            contents.clips.append(_clip(found, there[name], labels, table if is_strong else None))


def _clip(found: _FoundPart, path: Path, labels: tuple[str, ...] = (), events: Path | None = None) -> Clip:
    """A clip of a part; those from YouTube belong to their video."""
    video = None if found.part.fold == "synthetic" else parse_name(path.stem)
    return Clip(path, labels, fold=found.part.fold, group=video.video if video else "", events=events)


def _known(names: Iterable[str], contents: _Contents) -> tuple[str, ...]:
    """The names that are classes, each once and in the order of the classes; the others are counted."""
    heard, known = set(names), set(contents.labels)
    contents.unknown.update(heard - known)
    return tuple(sorted(heard & known, key=contents.labels.index))


class _Table(NamedTuple):
    """Labels by the name of the recording, and whether they have onsets."""

    labels: dict[str, list[str]]
    is_strong: bool


def _read_table(path: Path) -> _Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        columns = set(reader.fieldnames or ())
        is_strong = {"filename", "onset", "offset", "event_label"} <= columns
        if not is_strong and not {"filename", "event_labels"} <= columns:
            raise DataError(
                f"{path}: expected columns filename, event_labels or filename, onset, offset, event_label, "
                f"found {', '.join(reader.fieldnames or ()) or 'none'}"
            )
        labels: dict[str, list[str]] = {}
        for row in reader:
            cell = row["event_label" if is_strong else "event_labels"] or ""
            labels.setdefault(row["filename"], []).extend(name for name in cell.split(",") if name)
    return _Table(labels, is_strong)
