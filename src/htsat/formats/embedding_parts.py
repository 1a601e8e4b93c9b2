"""Parts of a `.npy` file of embeddings, for runs that are done piece by piece, and how they become the file.

A part is an `.npz` with `vectors` `(n, D)` and `rows`, the text of their rows in the list beside the file.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.lib import format as npy

from htsat.errors import DataError, last_line
from htsat.files import atomic_path
from htsat.formats.embeddings import (
    ROW_COLUMNS,
    EmbeddedRecording,
    Origin,
    Write,
    companions,
    rows_of,
    rows_text,
    write_origin,
)

T = TypeVar("T")

PART_SUFFIX = ".npz"
_VECTORS, _ROWS = "vectors.npy", "rows.npy"


@contextmanager
def to_part(path: Path) -> Iterator[Write]:
    """Gather vectors; the part appears when the block ends well. Without recordings there is none."""
    recordings: list[EmbeddedRecording] = []
    yield recordings.append
    if not recordings:
        return
    text = rows_text(row for recording in recordings for row in rows_of(recording))
    with atomic_path(path) as temporary:
        vectors = np.concatenate([recording.vectors for recording in recordings])
        np.savez(temporary, vectors=vectors, rows=np.frombuffer(text, np.uint8))


def join_parts(parts: Sequence[Path], path: Path, origin: Origin) -> None:
    """All parts as the file that `to_npy` would have written; memory does not grow with their number.

    Raises:
        DataError: when a part cannot be read, or is of another kind.
    """
    headers = [_of(part, _header) for part in parts]
    for part, header in zip(parts, headers, strict=True):
        if header[1:] != headers[0][1:]:
            raise DataError(f"{part}: cannot be joined (other vectors than in {parts[0]}); remove it")
    rows_path, origin_path = companions(path)
    with ExitStack() as files:
        vectors = files.enter_context(files.enter_context(atomic_path(path)).open("wb"))
        rows = files.enter_context(files.enter_context(atomic_path(rows_path)).open("wb"))
        made_by = files.enter_context(atomic_path(origin_path))
        _write_header(vectors, headers)
        rows.write(rows_text([ROW_COLUMNS]))
        for part in parts:
            _of(part, lambda archive: _copy(archive, vectors, rows))
        vectors.flush()
        rows.flush()
        write_origin(made_by, origin, Path(vectors.name), Path(rows.name))


class _Header(NamedTuple):
    """How many vectors of which kind."""

    n_rows: int
    dim: int
    dtype: np.dtype[np.floating]


def _of(part: Path, take: Callable[[zipfile.ZipFile], T]) -> T:
    """What is taken from a part that is opened."""
    try:
        with zipfile.ZipFile(part) as archive:
            return take(archive)
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise DataError(f"{part}: cannot be joined ({last_line(error)}); remove it") from error


def _header(archive: zipfile.ZipFile) -> _Header:
    with archive.open(_VECTORS) as member:
        return _read_header(member)


def _read_header(member: IO[bytes]) -> _Header:
    npy.read_magic(member)
    (n_rows, dim), _, dtype = npy.read_array_header_1_0(member)
    return _Header(n_rows, dim, dtype)


def _write_header(file: BinaryIO, headers: Sequence[_Header]) -> None:
    shape = (sum(header.n_rows for header in headers), headers[0].dim)
    descr = npy.dtype_to_descr(headers[0].dtype)
    npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})


def _copy(archive: zipfile.ZipFile, vectors: BinaryIO, rows: BinaryIO) -> None:
    with archive.open(_VECTORS) as member:
        _read_header(member)
        shutil.copyfileobj(member, vectors, 2**20)
    with archive.open(_ROWS) as member:
        npy.read_magic(member)
        npy.read_array_header_1_0(member)
        shutil.copyfileobj(member, rows, 2**20)
