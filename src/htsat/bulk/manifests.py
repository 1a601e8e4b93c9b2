"""Manifests: tables that list recordings, as CSV, TSV, JSON Lines or Parquet.

The recordings stand in a column `file`, `filename` or `path`, each any number of times. A manifest lies on a
disk or in an object store; one on a disk names files on disks.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from htsat.bulk.remote import RemoteFile, is_remote
from htsat.errors import DataError, MissingExtraError, last_line
from htsat.formats.bounded import bounded_lines, some_names
from htsat.formats.no_text import named

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_COLUMNS = ("file", "filename", "path")
_EXPECTED = ", ".join(_COLUMNS)


def files_in(manifest: Path | RemoteFile) -> Iterator[str]:
    """The recordings of a manifest as they stand there, row by row.

    Raises:
        DataError: when it cannot be read, or lists nothing.
        MissingExtraError: for Parquet, when pyarrow is not installed.
    """
    is_empty = True
    with _reading(manifest), _opened(manifest) as file:
        for row in _rows(file, PurePosixPath(str(manifest)).suffix.lower()):
            is_empty = False
            try:
                name = _file_of(row.cells)
                if isinstance(manifest, Path):
                    _require_path(name)
            except ValueError as error:
                raise DataError(f"{manifest}, {row.place}: {error}") from None
            yield name
    if is_empty:
        raise DataError(f"{manifest}: lists no recordings")


def _opened(manifest: Path | RemoteFile) -> BinaryIO:
    return manifest.open("rb") if isinstance(manifest, Path) else manifest.open()


@contextmanager
def _reading(manifest: Path | RemoteFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{manifest}: {error.strerror or last_line(error)}") from error
    except ValueError as error:
        raise DataError(f"{manifest}: is not a manifest: {error}") from error


class _Row(NamedTuple):
    """What a row holds by the names of its columns, and where messages say that it stands."""

    cells: Any
    place: str


def _rows(file: BinaryIO, suffix: str) -> Iterator[_Row]:
    if suffix == ".parquet":
        yield from _parquet_rows(file)
        return
    # Names of files may be no text.
    with io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="") as text:
        lines = bounded_lines(text)
        yield from _json_rows(lines) if suffix == ".jsonl" else _table_rows(lines, is_tsv=suffix == ".tsv")


def _json_rows(lines: Iterable[str]) -> Iterator[_Row]:
    for number, line in enumerate(lines, 1):
        try:
            document = json.loads(line) if line.strip() else None
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number}, column {error.colno}: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number}: {error}") from None
        if line.strip():
            yield _Row(document, f"line {number}")


def _table_rows(lines: Iterable[str], *, is_tsv: bool) -> Iterator[_Row]:
    """Tables with tabs have no quotes, as lists of events and of clips have none."""
    reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if is_tsv else csv.reader(lines)
    try:
        columns = next(reader, [])
        if columns:
            _require_column(columns)
        for cells in reader:
            if cells:  # fewer than columns or more (not strict): only the name of the file counts
                yield _Row(dict(zip(columns, cells, strict=False)), f"line {reader.line_num}")
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None


def _parquet_rows(manifest: BinaryIO) -> Iterator[_Row]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("Parquet manifests", "parquet") from error
    try:
        with parquet.ParquetFile(manifest) as file:
            _require_column(file.schema_arrow.names)
            columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
            batches = file.iter_batches(columns=columns)
            for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), 1):
                cells = {name: named(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
                yield _Row(cells, f"row {number}")
    except pa.ArrowException as error:
        raise ValueError(last_line(error)) from error


def _require_column(found: Sequence[str]) -> None:
    if set(_COLUMNS).isdisjoint(found):
        raise ValueError(
            f"no column names recordings (expected one of: {_EXPECTED}; found {some_names(found)})"
        )


def _file_of(row: Any) -> str:
    for column in _COLUMNS:
        if isinstance(row, dict) and isinstance(row.get(column), str) and row[column]:
            return _usable(row[column])
    raise ValueError(f"names no recording (expected one of: {_EXPECTED})")


def _require_path(name: str) -> None:
    if is_remote(name):
        raise ValueError(f"{name} is an address, and a manifest on a disk names files on disks")


def _usable(file: str) -> str:
    """The name, if a file can have it."""
    try:
        is_usable = b"\0" not in os.fsencode(file)
    except UnicodeEncodeError:
        is_usable = False
    if not is_usable:
        raise ValueError(f"no file can be called {file!r:.80}")
    return file
