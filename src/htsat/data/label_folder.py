"""A folder of recordings with files of strong labels beside them.

A label file belongs to the recording whose name it begins with, in the same folder: `a.txt`, `a.wav.csv` and
`a.Table.1.selections.txt` to `a.wav`. Files that name recordings themselves are about those, wherever in the
folder they lie.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from htsat.data.clip import Clip
from htsat.data.label_files import SUFFIXES, LabelFile, UnknownFormatError, read_label_file
from htsat.errors import DataError


@dataclass(frozen=True)
class LabelledFolder:
    """What a folder with files of strong labels holds.

    - `clips`: the recordings with their label file as `events`, and the classes of their events as labels.
      Those of one name (without suffix) in one folder are a group.
    - `unlabelled`: recordings that no file tells of, of which nothing is known.
    - `missing`: recordings that a file names, and files of recordings, that are not there.
    """

    clips: tuple[Clip, ...]
    unlabelled: tuple[Path, ...]
    missing: tuple[str, ...]


@dataclass
class _Found:
    """What is known of the recordings, while files of labels are looked through."""

    recordings: tuple[Path, ...]
    files: dict[Path, tuple[Path, LabelFile]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unknown: dict[Path, UnknownFormatError] = field(default_factory=dict)

    def add(self, recording: Path, path: Path, file: LabelFile) -> None:
        """Take a file for that of a recording, which must have only one."""
        other = self.files.setdefault(recording, (path, file))[0]
        if other != path:
            raise DataError(f"{recording}: has labels in {other} and in {path}; keep one of them")


def read_labelled_folder(folder: Path, suffixes: frozenset[str]) -> LabelledFolder:
    """Read a folder, to all depths; hidden files and folders are left out.

    Args:
        folder: where recordings and files of labels lie.
        suffixes: of recordings, in lower case.

    Raises:
        UnknownFormatError: when no file holds strong labels, naming one that might have.
        DataError: naming file and line of labels that do not fit; also for a recording with several files
            and for a name that means several recordings.
    """
    files = [path for path in sorted(folder.rglob("*")) if not _is_hidden(path.relative_to(folder))]
    found = _Found(tuple(path for path in files if path.suffix.lower() in suffixes))
    named = recordings_by_name(found.recordings)
    for path in (path for path in files if path.suffix.lower() in SUFFIXES):
        _look_at(path, owners_of(path, named), found)
    if not found.files:
        raise _nothing_in(folder, found)
    for recording, error in found.unknown.items():
        if recording not in found.files:
            raise DataError(str(error))
    return LabelledFolder(
        tuple(_clip(folder, recording, *found.files[recording]) for recording in sorted(found.files)),
        tuple(recording for recording in found.recordings if recording not in found.files),
        tuple(found.missing),
    )


def _nothing_in(folder: Path, found: _Found) -> UnknownFormatError:
    """Why a folder is none of this kind, with what comes nearest to it."""
    if found.missing:
        return UnknownFormatError(
            f"{folder}: strong labels of no recording that is there: {found.missing[0]}"
        )
    return next(iter(found.unknown.values()), UnknownFormatError(f"{folder}: no files of strong labels"))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def recordings_by_name(recordings: Iterable[Path]) -> dict[Path, list[Path]]:
    """Recordings by their path with and without suffix."""
    named: dict[Path, list[Path]] = {}
    for path in recordings:
        for name in {path, path.with_suffix("")}:
            named.setdefault(name, []).append(path)
    return named


def owners_of(path: Path, named: dict[Path, list[Path]]) -> list[Path]:
    """The recordings that a label file belongs to by its name; several if they differ in their suffix only.

    `named` comes from `recordings_by_name`.
    """
    name = path.name
    while "." in name:
        name = name.rpartition(".")[0]
        if name and path.with_name(name) in named:
            return named[path.with_name(name)]
    return []


def _look_at(path: Path, owners: list[Path], found: _Found) -> None:
    try:
        file = read_label_file(path)
    except UnknownFormatError as error:
        found.unknown |= dict.fromkeys(owners, error)
        return
    if owners:
        for recording in owners:
            _check_own(recording, path, file)
            found.add(recording, path, file)
    elif file.is_of_one:
        found.missing += [f"the recording of {path}"] * bool(file.of(str(path)))
    else:
        _share_out(path, file, found)


def _check_own(recording: Path, path: Path, file: LabelFile) -> None:
    """A file beside a recording may name it, and then must."""
    if file.names and not file.matches(str(recording)):
        raise DataError(f"{path}: is about {file.names[0]}, not about {recording.name} beside it")


def _share_out(path: Path, file: LabelFile, found: _Found) -> None:
    """Give the recordings that a file names to it."""
    meant: dict[str, Path] = {}
    for recording in found.recordings:
        for name in file.matches(str(recording)):
            other = meant.setdefault(name, recording)
            if other.with_suffix("") != recording.with_suffix(""):
                raise DataError(f"{path}: {name!r} may be {other} or {recording}; name the folders too")
            found.add(recording, path, file)
    found.missing += [f"{name} ({path})" for name in file.names if name not in meant]


def _clip(folder: Path, recording: Path, path: Path, file: LabelFile) -> Clip:
    labels = sorted({event.label for event in file.of(str(recording))})
    group = recording.relative_to(folder).with_suffix("").as_posix()
    return Clip(recording, tuple(labels), group=group, events=path)
