"""Manifests: tables that list recordings, as CSV, TSV, JSON Lines or Parquet.

The recordings stand in a column `file`, `filename` or `path`, each any number of times. A manifest lies on a
disk or in an object store.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from htsat.bulk.remote import RemoteFile
from htsat.errors import DataError, MissingExtraError, last_line
from htsat.formats.bounded import bounded_lines

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_COLUMNS = ("file", "filename", "path")


def files_in(manifest: Path | RemoteFile) -> Iterator[str]:
    """The recordings of a manifest as they stand there, row by row.

    Raises:
        DataError: when it cannot be read, or lists nothing.
        MissingExtraError: for Parquet, when pyarrow is not installed.
    """
    suffix = PurePosixPath(str(manifest)).suffix.lower()
    is_empty = True
    with _reading(manifest), _opened(manifest) as file:
        for row in _parquet_rows(file) if suffix == ".parquet" else _text_rows(file, suffix):
            is_empty = False
            yield _file_of(row)
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
    except (ValueError, csv.Error, RecursionError) as error:
        raise DataError(f"{manifest}: is not a manifest: {error}") from error


def _text_rows(file: BinaryIO, suffix: str) -> Iterator[Any]:
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as lines:
        yield from _rows(bounded_lines(lines), suffix)


def _rows(lines: Iterable[str], suffix: str) -> Iterable[Any]:
    if suffix == ".jsonl":
        return (json.loads(line) for line in lines if line.strip())
    return csv.DictReader(lines, delimiter="\t" if suffix == ".tsv" else ",")


def _parquet_rows(manifest: BinaryIO) -> Iterator[Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("Parquet manifests", "parquet") from error
    try:
        with parquet.ParquetFile(manifest) as file:
            columns = [name for name in _COLUMNS if name in file.schema_arrow.names]
            if not columns:
                _file_of({})
            for batch in file.iter_batches(columns=columns):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise ValueError(last_line(error)) from error


def _file_of(row: Any) -> str:
    for column in _COLUMNS:
        if isinstance(row, dict) and isinstance(row.get(column), str) and row[column]:
            return _usable(row[column])
    raise ValueError(f"a row names no recording (expected one of: {', '.join(_COLUMNS)})")


def _usable(file: str) -> str:
    """The name, if a file can have it."""
    try:
        is_usable = b"\0" not in os.fsencode(file)
    except UnicodeEncodeError:
        is_usable = False
    if not is_usable:
        raise ValueError(f"no file can be called {file!r:.80}")
    return file
