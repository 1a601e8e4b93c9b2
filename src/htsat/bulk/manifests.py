"""Manifests: tables that list recordings, as CSV, TSV, JSON Lines or Parquet.

The recordings stand in a column `file`, `filename` or `path`, each any number of times.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from htsat.bulk.seen import Seen
from htsat.errors import DataError, MissingExtraError, last_line

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_COLUMNS = ("file", "filename", "path")


def files_in(manifest: Path) -> Iterator[str]:
    """The recordings of a manifest as they stand there, each once, in the order of their first rows.

    Raises:
        DataError: when it cannot be read, or lists nothing.
        MissingExtraError: for Parquet, when pyarrow is not installed.
    """
    rows = _parquet_rows if manifest.suffix.lower() == ".parquet" else _text_rows
    seen = Seen()
    with _reading(manifest):
        for row in rows(manifest):
            file = _file_of(row)
            if seen.is_new(file):
                yield file
    if not len(seen):
        raise DataError(f"{manifest}: lists no recordings")


@contextmanager
def _reading(manifest: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{manifest}: {error.strerror or last_line(error)}") from error
    except (ValueError, csv.Error, RecursionError) as error:
        raise DataError(f"{manifest}: is not a manifest: {error}") from error


def _text_rows(manifest: Path) -> Iterator[Any]:
    with manifest.open(newline="", encoding="utf-8-sig") as lines:
        yield from _rows(manifest, lines)


def _rows(manifest: Path, lines: Iterable[str]) -> Iterable[Any]:
    if manifest.suffix.lower() == ".jsonl":
        return (json.loads(line) for line in lines if line.strip())
    return csv.DictReader(lines, delimiter="\t" if manifest.suffix.lower() == ".tsv" else ",")


def _parquet_rows(manifest: Path) -> Iterator[Any]:
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
