"""Which recordings a model learns from, and what is heard in each.

A manifest is a UTF-8 table with tabs and a header line. `path` and `labels` are required; paths are relative
to the manifest's folder. Several labels of one clip are joined by `;`; an empty field says that none of the
classes is heard. The optional columns are `start` and `duration` (seconds within the recording), `fold` and
`group` (the source recording: a split never separates a group). Where
a `labels.txt` lies beside it, one name a line, it gives the order of the classes.
"""

from __future__ import annotations

import csv
import dataclasses
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from htsat.errors import DataError
from htsat.files import atomic_path
from htsat.labels import LabelSet

LABEL_SEPARATOR = ";"
NEGATIVE_FOLDER = "_negative"


@dataclass(frozen=True)
class Clip:
    """One labelled stretch of a recording; `duration_s` None means to its end."""

    path: Path
    labels: tuple[str, ...]
    start_s: float = 0.0
    duration_s: float | None = None
    fold: int | None = None
    group: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < math.inf:
            raise DataError(f"{self.path}: start must be at least 0 s, got {self.start_s}")
        if self.duration_s is not None and not 0 < self.duration_s < math.inf:
            raise DataError(f"{self.path}: duration must be above 0 s, got {self.duration_s}")


@dataclass(frozen=True)
class Manifest:
    """Labelled clips and the classes they are labelled with."""

    clips: tuple[Clip, ...]
    labels: LabelSet

    def __post_init__(self) -> None:
        if not self.clips:
            raise DataError("there are no clips to learn from")
        for clip in self.clips:
            for label in clip.labels:
                try:
                    self.labels.index(label)
                except DataError as error:
                    raise DataError(f"{clip.path}: {error}") from None

    def only(self, clips: Iterable[Clip]) -> Manifest:
        """The same classes with a part of the clips."""
        return dataclasses.replace(self, clips=tuple(clips))

    def split_fold(self, fold: int) -> tuple[Manifest, Manifest]:
        """Clips outside a fold, and those in it."""
        folds = sorted({clip.fold for clip in self.clips if clip.fold is not None})
        if fold not in folds:
            raise DataError(f"no clip has fold {fold}; the manifest's folds are {folds}")
        return (
            self.only(clip for clip in self.clips if clip.fold != fold),
            self.only(clip for clip in self.clips if clip.fold == fold),
        )

    def split_share(self, share: float, seed: int) -> tuple[Manifest, Manifest]:
        """Hold a random share of the groups out; the clips of one group stay together."""
        groups = sorted({clip.group or str(clip.path) for clip in self.clips})
        random.Random(seed).shuffle(groups)
        held_out = set(groups[: max(1, round(share * len(groups)))])
        inside = [(clip.group or str(clip.path)) in held_out for clip in self.clips]
        if all(inside):
            raise DataError(
                "all clips come from one recording (group): nothing can be held out for validation"
            )
        return (
            self.only(clip for clip, out in zip(self.clips, inside, strict=True) if not out),
            self.only(clip for clip, out in zip(self.clips, inside, strict=True) if out),
        )


def read_manifest(path: Path) -> Manifest:
    """Read a TSV manifest.

    Raises:
        DataError: naming file and line of the first row that does not fit.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            _check_columns(path, reader.fieldnames or [])
            clips = tuple(_clip(row, path, reader.line_num) for row in reader)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot be read as a manifest ({error})") from None
    return Manifest(clips, _label_order(path.parent, clips))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a TSV manifest and its `labels.txt`; paths are stored as they are."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, lineterminator="\n")
        writer.writerow(["path", "labels", "start", "duration", "fold", "group"])
        for clip in manifest.clips:
            duration = "" if clip.duration_s is None else clip.duration_s
            fold = "" if clip.fold is None else clip.fold
            labels = LABEL_SEPARATOR.join(clip.labels)
            writer.writerow([clip.path, labels, clip.start_s, duration, fold, clip.group])
    with atomic_path(path.parent / "labels.txt") as temporary:
        temporary.write_text("".join(f"{name}\n" for name in manifest.labels), encoding="utf-8")


def read_folder(folder: Path, suffixes: frozenset[str]) -> Manifest:
    """Read a folder of folders: the name of each is the class of the recordings in it.

    `A,B` gives both labels, `_negative` none. Hidden folders are left out.
    """
    clips = [
        Clip(path, _folder_labels(child.name), group=path.stem)
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
        for path in sorted(child.rglob("*"))
        if path.suffix.lower() in suffixes
    ]
    if not clips:
        raise DataError(f"{folder}: no recordings in folders named after their class")
    return Manifest(tuple(clips), _label_order(folder, clips))


def _folder_labels(name: str) -> tuple[str, ...]:
    return () if name == NEGATIVE_FOLDER else tuple(label.strip() for label in name.split(","))


def _label_order(folder: Path, clips: Iterable[Clip]) -> LabelSet:
    listed = folder / "labels.txt"
    if listed.is_file():
        return LabelSet.of(listed.read_text(encoding="utf-8").splitlines())
    return LabelSet.of(sorted({label for clip in clips for label in clip.labels}))


_REQUIRED = ("path", "labels")
_OPTIONAL = ("start", "duration", "fold", "group")


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    found = list(columns)
    for name in _REQUIRED:
        if name not in found:
            raise DataError(f"{path}: a manifest needs a column {name!r}, found {', '.join(found) or 'none'}")
    unknown = [name for name in found if name not in _REQUIRED + _OPTIONAL]
    if unknown:
        raise DataError(
            f"{path}: unknown column {unknown[0]!r}; known are {', '.join(_REQUIRED + _OPTIONAL)}"
        )


def _clip(row: dict[str, str | None], path: Path, line: int) -> Clip:
    cells = {name: (cell or "").strip() for name, cell in row.items() if name is not None}
    if not cells["path"]:
        raise DataError(f"{path}, line {line}: the path is empty")
    try:
        return Clip(
            path=path.parent / cells["path"],
            labels=tuple(label for label in cells["labels"].split(LABEL_SEPARATOR) if label),
            start_s=float(cells.get("start") or 0.0),
            duration_s=float(cells["duration"]) if cells.get("duration") else None,
            fold=int(cells["fold"]) if cells.get("fold") else None,
            group=cells.get("group", ""),
        )
    except ValueError as error:
        raise DataError(f"{path}, line {line}: {error}") from None
