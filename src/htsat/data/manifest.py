"""Which recordings a model learns from, and what is heard in each.

A manifest is a table of clips, TSV (UTF-8, tabs, a header line) or Parquet. `path` and `labels` are required.
Paths are relative to the manifest's folder. Several labels of one clip are joined by `;` (in Parquet they may
be a list); an empty field says that none of the classes is heard. Optional are

- `start`, `duration`: the stretch of the recording that is meant, in seconds;
- `fold`: the part of the data set that the clip belongs to;
- `group`: its origin, which a split never separates;
- `weight`: how often the clip is drawn against others;
- `events`: a file of strong labels;
- `offset`, `size`: the recording is a file inside the tar shard `path`;
- `row`: the recording is a row of the HDF5 or Parquet file `path`.

Where a `labels.txt` lies beside it, one name a line, it gives the order of the classes.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from htsat.data.clip import Clip, Member, Row
from htsat.data.clip_tables import read_clips, write_clips
from htsat.data.label_files import UnknownFormatError
from htsat.data.label_folder import LabelledFolder, read_labelled_folder
from htsat.errors import DataError
from htsat.files import atomic_path
from htsat.labels import LabelSet

__all__ = [
    "Clip",
    "Manifest",
    "Member",
    "Row",
    "read_data",
    "read_folder",
    "read_manifest",
    "write_manifest",
]

_BREAKS = frozenset("\r\n")
NEGATIVE_FOLDER = "_negative"
INDEX_NAME = "index.parquet"
"""The manifest of packed recordings, which lies beside their shards."""
MANIFEST_NAMES = ("manifest.tsv", "manifest.parquet", INDEX_NAME)
"""Manifests that a folder is known by; the first that is there counts."""


@dataclass(frozen=True)
class Manifest:
    """Labelled clips and the classes they are labelled with.

    `notes`: lines that the user should read, such as how many recordings were left out.
    """

    clips: tuple[Clip, ...]
    labels: LabelSet
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.clips:
            raise DataError("there are no clips to learn from")
        for labels in {clip.labels for clip in self.clips}:
            for label in labels:
                try:
                    self.labels.index(label)
                except DataError as error:
                    clip = next(clip for clip in self.clips if clip.labels == labels)
                    raise DataError(f"{clip.title}: {error}") from None

    def only(self, clips: Iterable[Clip]) -> Manifest:
        """The same classes with a part of the clips."""
        return dataclasses.replace(self, clips=tuple(clips))

    def split_fold(self, fold: int | str) -> tuple[Manifest, Manifest]:
        """Clips outside a fold, and those in it.

        Raises:
            DataError: when there is no such fold, or clips of one group lie on both sides of it.
        """
        folds = sorted({clip.fold for clip in self.clips if clip.fold is not None})
        if str(fold) not in folds:
            raise DataError(f"no clip has fold {fold}; the manifest's folds are [{', '.join(folds)}]")
        outside = self.only(clip for clip in self.clips if clip.fold != str(fold))
        inside = self.only(clip for clip in self.clips if clip.fold == str(fold))
        origins = {clip.origin for clip in inside.clips}
        for clip in outside.clips:
            if clip.origin in origins:
                other = f"fold {clip.fold}" if clip.fold else "no fold"
                raise DataError(
                    f"fold {fold} would separate a group: {clip.origin!r} lies in it and in {other}"
                )
        return outside, inside

    def split_share(self, share: float, seed: int) -> tuple[Manifest, Manifest]:
        """Hold a random share of the groups out; the clips of one group stay together."""
        origins = sorted({clip.origin for clip in self.clips})
        random.Random(seed).shuffle(origins)
        held_out = set(origins[: max(1, round(share * len(origins)))])
        if len(held_out) == len(origins):
            raise DataError(
                "all clips come from one recording (group): nothing can be held out for validation"
            )
        return (
            self.only(clip for clip in self.clips if clip.origin not in held_out),
            self.only(clip for clip in self.clips if clip.origin in held_out),
        )


def read_data(source: Path, suffixes: frozenset[str]) -> Manifest:
    """A manifest; or a folder with a manifest, with files of strong labels, or of folders named by class.

    What comes first counts. A recording that no file of strong labels tells of is left out, because nothing
    is known of it; the manifest's notes say how many.
    """
    if not source.is_dir():
        return read_manifest(source)
    own = [source / name for name in MANIFEST_NAMES if (source / name).is_file()]
    if own:
        return read_manifest(own[0])
    try:
        labelled = read_labelled_folder(source, suffixes)
    except UnknownFormatError as error:
        return read_folder(source, suffixes, instead=str(error))
    return Manifest(labelled.clips, label_order(source, labelled.clips), tuple(_notes(labelled)))


def _notes(labelled: LabelledFolder) -> Iterator[str]:
    for paths, of_one, of_several in (
        (
            labelled.unlabelled,
            "recording has no label file and is left out",
            "recordings have no label file and are left out",
        ),
        (
            labelled.missing,
            "recording that label files name is not there",
            "recordings that label files name are not there",
        ),
    ):
        if paths:
            meaning = of_one if len(paths) == 1 else of_several
            yield f"{len(paths):,} {meaning}; the first: {paths[0]}"


def read_manifest(path: Path) -> Manifest:
    """Read a manifest, `.parquet` or TSV.

    Raises:
        DataError: naming file and line (Parquet: row) of the first row that does not fit.
    """
    clips = read_clips(path)
    return Manifest(clips, label_order(path.parent, clips))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest, `.parquet` or TSV, and its `labels.txt`; paths below its folder are made relative.

    Raises:
        DataError: when a text cannot stand in one of them.
    """
    for name in manifest.labels:
        if not _BREAKS.isdisjoint(name):
            raise DataError(f"{path}: label {name!r} holds a line break and cannot stand in labels.txt")
    write_clips(path, manifest.clips)
    with atomic_path(path.parent / "labels.txt") as temporary:
        temporary.write_text("".join(f"{name}\n" for name in manifest.labels), encoding="utf-8")


def read_folder(folder: Path, suffixes: frozenset[str], instead: str = "") -> Manifest:
    """Read a folder of folders: the name of each is the class of the recordings in it.

    `A,B` gives both labels, `_negative` none. Hidden folders are left out.

    Raises:
        DataError: when there are no recordings in them; `instead` says why it is not another kind of folder.
    """
    clips = [
        Clip(path, _folder_labels(child.name), group=path.stem)
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
        for path in sorted(child.rglob("*"))
        if path.suffix.lower() in suffixes
    ]
    if not clips:
        also = f"; {instead}" if instead else ""
        raise DataError(f"{folder}: no recordings in folders named after their class{also}")
    return Manifest(tuple(clips), label_order(folder, clips))


def _folder_labels(name: str) -> tuple[str, ...]:
    return () if name == NEGATIVE_FOLDER else tuple(label.strip() for label in name.split(","))


def label_order(folder: Path, clips: Iterable[Clip]) -> LabelSet:
    """The classes in the order of a `labels.txt` in the folder; without it those of the clips, sorted."""
    listed = folder / "labels.txt"
    if listed.is_file():
        try:
            return LabelSet.listed(listed.read_text(encoding="utf-8"))
        except (DataError, UnicodeDecodeError) as error:
            raise DataError(f"{listed}: {error}") from None
    return LabelSet.of(sorted({label for clip in clips for label in clip.labels}))
