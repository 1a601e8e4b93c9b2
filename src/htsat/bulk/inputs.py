"""What an INPUT argument stands for.

A file, a folder, a glob pattern, a manifest, a tar shard, an address in an object store, or standard input
(`-`). Relative paths in a manifest start at its folder. Recordings come one after the other, so that memory
does not grow with their number.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple, NoReturn

from htsat.audio import SUFFIXES
from htsat.bulk import manifests, tars
from htsat.bulk.manifests import files_in
from htsat.bulk.remote import Neighbours, RemoteFile, files_at, is_remote
from htsat.bulk.tars import TarMember, members_of
from htsat.errors import DataError, HtsatError

STANDARD_INPUT = "-"
FILES_ALONE = "give files, as standard input and what lies in shards and stores is read once"
"""What those say who need a recording twice."""


class Input(NamedTuple):
    """One recording to listen to.

    `path` is None for standard input, and where `opener` has the recording: a tar shard or an object store.
    `name` is its place below the argument that stands for it, always a relative path that leads downwards:
    results of its own go to a file of this name.
    """

    path: Path | None
    name: PurePath
    opener: TarMember | RemoteFile | None = None

    @property
    def title(self) -> str:
        """How results name the recording."""
        if self.opener is not None:
            return self.opener.name
        return STANDARD_INPUT if self.path is None else str(self.path)


OnProblem = Callable[[HtsatError], object]
"""Is told of a folder within an argument that cannot be read, while the others go on."""


def _refuse(problem: HtsatError) -> NoReturn:
    raise problem


def find_inputs(argument: str, on_problem: OnProblem = _refuse) -> list[Input]:
    """The recordings that an argument stands for, in an order that does not depend on the file system.

    Folders are searched to their depths for files with an audio suffix in any letter case, glob patterns
    (`**` too) likewise, and for tar shards; hidden files and folders are passed over. A file that is named
    explicitly is taken whatever its suffix, even where there is no such file: opening it will tell. Of
    several with one name, as in a manifest or a tar shard, the first is taken.

    Raises:
        DataError: when nothing is found, or a manifest cannot be used; unless `on_problem` takes it, also
            for a folder that cannot be read within one that can.
    """
    inputs: dict[str, Input] = {}
    for item in iterate_inputs(argument, on_problem):
        inputs.setdefault(item.title, item)
    return list(inputs.values())


def iterate_inputs(argument: str, on_problem: OnProblem = _refuse) -> Iterator[Input]:
    """What `find_inputs` gives, one after the other; errors come where they are met.

    A recording may come several times, which is for the caller to notice.
    """
    path = Path(argument)
    if argument == STANDARD_INPUT:
        return iter([Input(None, PurePath("stdin"))])
    if is_remote(argument):
        return _some(argument, _in_store(argument))
    if path.is_dir():
        return _some(argument, (Input(path / below, below) for below in _files_below(path, on_problem)))
    if not path.exists() and glob.has_magic(argument):
        return _some(argument, _matching(argument))
    return _in_file(path)


def _in_file(path: Path) -> Iterator[Input]:
    suffix = path.suffix.lower()
    if suffix in manifests.SUFFIXES:
        return _listed(path)
    if suffix == tars.SUFFIX:
        return _in_shard(path, PurePath(path.name))
    return iter([Input(path, PurePath(path.name))])


def _some(argument: str, inputs: Iterable[Input]) -> Iterator[Input]:
    """The same, of which there must be one."""
    is_empty = True
    for item in inputs:
        is_empty = False
        yield item
    if is_empty:
        raise DataError(f"{argument}: no audio files found")


def _files_below(folder: Path, on_problem: OnProblem) -> Iterator[PurePath]:
    """The recordings below a folder in the order of their paths; one folder of each depth is in memory."""
    waiting = [_entries(folder, PurePath())]
    while waiting:
        entry = next(waiting[-1], None)
        if entry is None:
            waiting.pop()
        elif entry.is_folder:
            waiting.append(_entries_if_readable(folder, entry.below, on_problem))
        else:
            yield entry.below


class _Entry(NamedTuple):
    below: PurePath
    is_folder: bool


def _entries(folder: Path, below: PurePath) -> Iterator[_Entry]:
    """Folders and recordings in a folder; links to folders are not followed."""
    try:
        with os.scandir(folder / below) as scan:
            entries = [entry for entry in scan if not entry.name.startswith(".")]
            names = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
            linked = {entry.name for entry in entries if entry.is_symlink() and entry.is_dir()}
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from error
    for name, is_folder in names:
        if is_folder or (name not in linked and PurePath(name).suffix.lower() in SUFFIXES):
            yield _Entry(below / name, is_folder)


def _entries_if_readable(folder: Path, below: PurePath, on_problem: OnProblem) -> Iterator[_Entry]:
    try:
        yield from _entries(folder, below)
    except DataError as problem:
        on_problem(problem)


def _matching(pattern: str) -> Iterator[Input]:
    base = _fixed_part(pattern)
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207  (Path.glob refuses absolute patterns)
    for path in map(Path, sorted(names, key=_parts)):
        below = _name(path.relative_to(base))
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield Input(path, below)
        elif path.suffix.lower() == tars.SUFFIX and path.is_file():
            yield from _in_shard(path, below)


def _parts(name: str) -> tuple[str, ...]:
    return PurePath(name).parts


def _fixed_part(pattern: str) -> Path:
    """The folder that a pattern starts from, before its first wildcard."""
    parts = Path(pattern).parts
    n_fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:n_fixed])


def _listed(manifest: Path) -> Iterator[Input]:
    for file in files_in(manifest):
        yield Input(manifest.parent / file, _name(PurePath(file)))


def _in_shard(shard: Path | RemoteFile, name: PurePath) -> Iterator[Input]:
    for member in members_of(shard):
        yield Input(None, name / _name(PurePath(member.member)), member)


def _in_store(address: str) -> Iterator[Input]:
    suffixes = (*SUFFIXES, tars.SUFFIX) if glob.has_magic(address) else SUFFIXES
    for file, below in files_at(address, suffixes):
        name = _name(PurePath(below if below.name else PurePath(file.name).name))
        suffix = PurePosixPath(file.name).suffix.lower()
        if suffix == tars.SUFFIX:
            yield from _in_shard(file, name)
        elif suffix in manifests.SUFFIXES:
            yield from _listed_in_store(file)
        else:
            yield Input(None, name, file)


def _listed_in_store(manifest: RemoteFile) -> Iterator[Input]:
    neighbours = Neighbours(manifest)
    for row in files_in(manifest):
        file = neighbours.at(row)
        yield Input(None, _name(PurePath(PurePath(file.name).name if is_remote(row) else row)), file)


def _name(path: PurePath) -> PurePath:
    """The path, or only its last part where it could lead out of a folder of results."""
    return PurePath(path.name) if path.is_absolute() or ".." in path.parts else path
