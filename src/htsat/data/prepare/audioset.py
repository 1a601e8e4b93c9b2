"""AudioSet (Gemmeke et al., 2017): 10 s of YouTube videos, 527 classes, three folds.

The recordings are files named by their video, listed by Google's segment tables, or rows of large tables that
carry their labels themselves (`audioset_tables`). Some of them have strong labels (`audioset_strong`).
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from htsat.audio import SUFFIXES
from htsat.data.manifest import Clip
from htsat.data.prepare.listing import Listing, Missing
from htsat.data.prepare.tables import HDF5_SUFFIXES, PARQUET_SUFFIX
from htsat.data.prepare.youtube import VideoClip, parse_name
from htsat.errors import DataError
from htsat.labels import LabelSet

PUBLISHED = {"balanced_train": 22_160, "unbalanced_train": 2_041_789, "eval": 20_371}
"""The folds and how many segments Google lists in each."""

STRONG_LISTS = {"audioset_train_strong.tsv": "train", "audioset_eval_strong.tsv": "eval"}
"""Names of Google's tables of strong labels, and the folds that they list."""


class Segment(NamedTuple):
    """A line of Google's lists."""

    video: str
    start_s: float
    labels: tuple[str, ...]


class Classes:
    """The 527 classes, by display name, machine identifier or index.

    `display_names` are by machine identifier; `unknown` counts what was none of these.
    """

    def __init__(self) -> None:
        table = resources.files("htsat") / "label_sets" / "audioset-mids.tsv"
        rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
        self.labels = LabelSet.of(name for _, name in rows)
        self.unknown: Counter[str] = Counter()
        self.display_names = {row[0]: row[1] for row in rows}
        self._index: dict[str | int, int] = {}
        for index, (mid, name) in enumerate(rows):
            self._index |= {mid: index, name: index, index: index}

    def names(self, keys: Iterable[str | int]) -> tuple[str, ...]:
        """The display names of those that are known, each once and in the standard order."""
        indices = {self._index.get(key, -1) for key in keys}
        if -1 in indices:
            self.unknown.update(str(key) for key in set(keys) if key not in self._index)
        return tuple(self.labels[index] for index in sorted(indices - {-1}))


@dataclass
class Contents:
    """What a data set holds, while it is read."""

    classes: Classes = field(default_factory=Classes)
    clips: list[Clip] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def listing(self) -> Listing:
        """The result."""
        present = {clip.fold for clip in self.clips}
        return Listing(
            "AudioSet",
            tuple(self.clips),
            self.classes.labels,
            tuple(self.missing),
            unlisted=tuple(self.unlisted),
            unknown_labels=self.classes.unknown,
            published={fold: n_clips for fold, n_clips in PUBLISHED.items() if fold in present},
            notes=tuple(self.notes),
        )


def read_audioset(source: Path, strong: Sequence[Path] = ()) -> Listing:
    """List a folder of recordings with Google's segment lists, a folder of tables, or one table.

    Folders are searched to their depths. Folds of which nothing is there are noted, not missing.

    Args:
        source: where recordings, lists and tables lie.
        strong: Google's tables of strong labels, which then count instead of the weak ones; not needed where
            they are the only labels in `source`.

    Raises:
        DataError: when there are neither recordings with lists nor tables, or both.
    """
    files = files_below(source)
    tables = [path for path in files if path.suffix.lower() in HDF5_SUFFIXES | {PARQUET_SUFFIX}]
    recordings = [path for path in files if path.suffix.lower() in SUFFIXES]
    if tables and recordings:
        raise DataError(
            f"{source}: expected recordings or tables, found both ({recordings[0].name}, {tables[0].name})"
        )
    lists = {fold: path for fold in PUBLISHED for path in files if path.name == f"{fold}_segments.csv"}
    strong_lists = [path for path in files if path.name in STRONG_LISTS]
    if strong or (strong_lists and not lists and not tables):
        from htsat.data.prepare.audioset_strong import read_audioset_strong

        return read_audioset_strong(source, strong or strong_lists)
    contents = Contents()
    contents.notes += [f"{path}: strong labels, which only --strong takes" for path in strong_lists]
    segments = {fold: _read_segments(path, contents) for fold, path in lists.items()}
    if tables:
        from htsat.data.prepare.audioset_tables import read_tables

        read_tables(source, tables, segments, contents)
    else:
        _match(source, recordings, segments, contents)
    return contents.listing()


def note_missing(segments: Mapping[str, Mapping[str, Segment]], found: set[str], contents: Contents) -> None:
    """Count the listed videos that were not found, in folds of which something was."""
    for fold, listed in segments.items():
        missing = [Missing(video, fold) for video in listed if video not in found]
        if len(missing) == len(listed):
            contents.notes.append(f"{fold}: none of the {len(listed):,} listed recordings is there")
        else:
            contents.missing += missing


def files_below(folder: Path) -> list[Path]:
    """All files of a folder in a settled order, or a file itself; hidden ones are passed over."""
    if folder.is_file():
        return [folder]
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(found)


def _read_segments(path: Path, contents: Contents) -> dict[str, Segment]:
    """The segments of one fold by video."""
    segments = {}
    for line, row in _rows(path):
        try:
            video, start_s, labels = row[0], float(row[1]), ",".join(row[3:])
        except (IndexError, ValueError):
            raise DataError(
                f"{path}, line {line}: expected YTID, start_seconds, end_seconds, positive_labels"
            ) from None
        names = contents.classes.names(labels.split(","))
        if names:
            segments[video] = Segment(video, start_s, names)
    return segments


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True)
        yield from ((reader.line_num, row) for row in reader if row and not row[0].startswith("#"))


def _match(
    source: Path,
    recordings: list[Path],
    segments: Mapping[str, Mapping[str, Segment]],
    contents: Contents,
) -> None:
    """Give every recording the labels and fold of its segment."""
    if not segments:
        names = ", ".join(f"{fold}_segments.csv" for fold in PUBLISHED)
        raise DataError(f"{source}: expected Google's lists ({names}) beside the recordings, or tables")
    fold_of = {video: fold for fold, listed in segments.items() for video in listed}
    found: set[str] = set()
    for path in recordings:
        name = parse_name(path.stem)
        fold = fold_of.get(name.video) if name else None
        if name is None or fold is None or not _is_new(name, segments[fold][name.video], found):
            contents.unlisted.append(str(path))
            continue
        found.add(name.video)
        labels = segments[fold][name.video].labels
        contents.clips.append(Clip(path, labels, fold=fold, group=name.video))
    if not found:
        raise DataError(f"{source}: none of the {len(fold_of):,} listed recordings is there")
    note_missing(segments, found, contents)


def _is_new(name: VideoClip, segment: Segment, found: set[str]) -> bool:
    return name.video not in found and name.may_start_at(segment.start_s)
