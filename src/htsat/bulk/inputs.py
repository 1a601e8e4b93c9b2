"""What an INPUT argument stands for: a file, a folder, a glob pattern, a manifest, or standard input (`-`).

A manifest is a `.csv`, `.tsv` or `.jsonl` with a column `file`, `filename` or `path`, in which a recording
may stand several times; relative paths start at the folder of the manifest.
"""

from __future__ import annotations

import csv
import glob
import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any, NamedTuple, NoReturn

from htsat.audio import SUFFIXES
from htsat.errors import DataError

STANDARD_INPUT = "-"
_COLUMNS = ("file", "filename", "path")
_MANIFESTS = (".csv", ".tsv", ".jsonl")
_NOT_YET = {".parquet": "Parquet manifests", ".tar": "tar shards"}


class Input(NamedTuple):
    """One recording to listen to.

    `path` is None for standard input. `name` is its place below the argument that stands for it, always a
    relative path that leads downwards: results of its own go to a file of this name.
    """

    path: Path | None
    name: PurePath

    @property
    def title(self) -> str:
        """How results name the recording."""
        return STANDARD_INPUT if self.path is None else str(self.path)


def find_inputs(argument: str) -> list[Input]:
    """The recordings that an argument stands for, in an order that does not depend on the file system.

    Folders are searched to their depths for files with an audio suffix in any letter case, glob patterns
    (`**` too) likewise; hidden files and folders are passed over. A file that is named explicitly is taken
    whatever its suffix, even where there is no such file: opening it will tell.

    Raises:
        DataError: when nothing is found, or a manifest cannot be used.
    """
    path = Path(argument)
    if argument == STANDARD_INPUT:
        return [Input(None, PurePath("stdin"))]
    if path.is_dir():
        return _searched(argument, _files_below(path), path)
    if not path.exists() and glob.has_magic(argument):
        return _searched(argument, _files_matching(argument), _fixed_part(argument))
    if path.suffix.lower() in _NOT_YET:
        raise DataError(f"{argument}: {_NOT_YET[path.suffix.lower()]} are not supported as inputs")
    if path.suffix.lower() in _MANIFESTS:
        return _listed(path)
    return [Input(path, PurePath(path.name))]


def _searched(argument: str, paths: Iterable[Path], base: Path) -> list[Input]:
    found = sorted(path for path in paths if path.suffix.lower() in SUFFIXES)
    if not found:
        raise DataError(f"{argument}: no audio files found")
    return [Input(path, _name(path.relative_to(base))) for path in found]


def _files_below(folder: Path) -> Iterable[Path]:
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in files if not name.startswith("."))


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: {error.strerror}") from error


def _files_matching(pattern: str) -> Iterable[Path]:
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207  (Path.glob refuses absolute patterns)
    return (path for path in map(Path, names) if path.is_file())


def _fixed_part(pattern: str) -> Path:
    """The folder that a pattern starts from, before its first wildcard."""
    parts = Path(pattern).parts
    n_fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:n_fixed])


def _listed(manifest: Path) -> list[Input]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            files = list(dict.fromkeys(_file_of(row) for row in _rows(manifest, file)))
    except OSError as error:
        raise DataError(f"{manifest}: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{manifest}: is not a manifest: {error}") from error
    if not files:
        raise DataError(f"{manifest}: lists no recordings")
    return [Input(manifest.parent / file, _name(PurePath(file))) for file in files]


def _rows(manifest: Path, lines: Iterable[str]) -> Iterable[Any]:
    if manifest.suffix.lower() == ".jsonl":
        return (json.loads(line) for line in lines if line.strip())
    return csv.DictReader(lines, delimiter="\t" if manifest.suffix.lower() == ".tsv" else ",")


def _file_of(row: Any) -> str:
    for column in _COLUMNS:
        if isinstance(row, dict) and isinstance(row.get(column), str) and row[column]:
            return str(row[column])
    raise ValueError(f"a row names no recording (expected one of: {', '.join(_COLUMNS)})")


def _name(path: PurePath) -> PurePath:
    """The path, or only its last part where it could lead out of a folder of results."""
    return PurePath(path.name) if path.is_absolute() or ".." in path.parts else path
