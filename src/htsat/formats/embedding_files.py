"""Reading files of embeddings a block at a time, so that memory does not grow with them.

n rows, D values of a vector.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from htsat.errors import DataError, HtsatError, MissingExtraError, last_line
from htsat.files import text_path
from htsat.formats.bounded import bounded_lines
from htsat.formats.embeddings import (
    MARK,
    ORIGIN_KEY,
    ORIGIN_SUFFIX,
    ROWS_PER_GROUP,
    ROWS_SUFFIX,
    Origin,
    mark_of,
)
from htsat.formats.no_text import named
from htsat.scores import FloatArray, Seconds

_COLUMNS = ("file", "start", "embedding")


class Places(NamedTuple):
    """Where consecutive vectors come from: names of recordings, and seconds `(n,)`."""

    files: Sequence[str]
    starts_s: Seconds


class Block(NamedTuple):
    """Consecutive rows of a file: vectors `(n, D)` in float32, and where they come from."""

    places: Places
    vectors: FloatArray


class EmbeddingFile(Protocol):
    """A file of embeddings that was looked at, but not read. `origin` is None where it does not say."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def n_rows(self) -> int:
        """How many vectors it holds."""

    @property
    def dim(self) -> int:
        """How many values each has."""

    @property
    def origin(self) -> Origin | None:
        """What made them."""

    def blocks(self) -> Iterator[Block]:
        """All rows in their order."""

    def places_at(self, rows: Sequence[int]) -> Places:
        """Where some rows come from, in the order of `rows`."""


def open_embeddings(path: Path) -> EmbeddingFile:
    """Look at a `.parquet` or `.npy` file of embeddings.

    Raises:
        DataError: when it is missing or not such a file.
        MissingExtraError: when pyarrow is needed and not installed.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file of embeddings")
    readers = {".npy": _open_npy, ".parquet": _open_parquet}
    if path.suffix not in readers:
        raise DataError(f"{path}: expected embeddings as .parquet or .npy (htsat embed writes them)")
    with _reading(path):
        return readers[path.suffix](path)


@dataclass(frozen=True)
class _NpyFile:
    path: Path
    n_rows: int
    dim: int
    origin: Origin | None

    def blocks(self) -> Iterator[Block]:
        with _reading(self.path):
            first = 0
            for places in self._places():
                stop = first + len(places.files)
                # Opened anew each time: what was read of a mapped file stays in memory as long as it is open.
                vectors = np.load(self.path, mmap_mode="r")
                yield Block(places, vectors[first:stop].astype(np.float32))
                first = stop
            if first != self.n_rows:
                raise DataError(f"{self.path}: has {self.n_rows} vectors, but {first} rows are listed")

    def places_at(self, rows: Sequence[int]) -> Places:
        wanted, first = set(rows), 0
        found: dict[int, tuple[str, float]] = {}
        for places in self._places():
            here = wanted.intersection(range(first, first + len(places.files)))
            found |= {row: (places.files[row - first], places.starts_s[row - first]) for row in here}
            first += len(places.files)
        return Places([found[row][0] for row in rows], np.array([found[row][1] for row in rows]))

    def _places(self) -> Iterator[Places]:
        rows_path = self.path.with_suffix(ROWS_SUFFIX)
        with (
            _reading(rows_path),
            rows_path.open(newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):
            rows = csv.reader(bounded_lines(file))
            if next(rows, None) != list(_COLUMNS[:2]):
                raise DataError(f"{rows_path}: expected columns {', '.join(_COLUMNS[:2])}")
            while batch := list(islice(rows, ROWS_PER_GROUP)):
                files, starts = zip(*batch, strict=True)
                yield Places(files, np.array(starts, np.float64))


def _open_npy(path: Path) -> EmbeddingFile:
    vectors = np.load(path, mmap_mode="r")
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise DataError(
            f"{path}: expected vectors as rows of real numbers, got {vectors.dtype} {vectors.shape}"
        )
    origin_path = path.with_suffix(ORIGIN_SUFFIX)
    origin = None
    if origin_path.is_file():
        text = origin_path.read_text(encoding="utf-8", errors="surrogateescape")
        origin = Origin.from_json(text, origin_path)
        _check_together(path, vectors, json.loads(text).get(MARK))
    return _NpyFile(path, len(vectors), vectors.shape[1], origin)


def _check_together(path: Path, vectors: FloatArray, mark: object) -> None:
    """Refuse files of two calls, the second of which was stopped; other programs make no mark."""
    rows = path.with_suffix(ROWS_SUFFIX)
    if mark is not None and rows.is_file() and mark != mark_of(vectors, rows):
        raise DataError(f"{path}: does not belong to the files beside it (a call broke off): embed again")


@dataclass(frozen=True)
class _ParquetFile:
    path: Path
    n_rows: int
    dim: int
    origin: Origin | None

    def blocks(self) -> Iterator[Block]:
        from pyarrow import parquet

        with _reading(self.path), text_path(self.path) as name, parquet.ParquetFile(name) as file:
            # Asked for several groups, pyarrow reads ahead and keeps them all.
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(ROWS_PER_GROUP, row_groups=[group], columns=list(_COLUMNS)):
                    yield Block(_places(batch), _vectors(batch, self))

    def places_at(self, rows: Sequence[int]) -> Places:
        from pyarrow import parquet

        with _reading(self.path), text_path(self.path) as name, parquet.ParquetFile(name) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            ends = np.cumsum(sizes)
            found: dict[int, tuple[str, float]] = {}
            groups = np.searchsorted(ends, rows, side="right")
            for group in np.unique(groups):
                table = file.read_row_group(int(group), columns=list(_COLUMNS[:2]))
                places = _places(table.combine_chunks())
                for row in np.asarray(rows)[groups == group]:
                    place = int(row - ends[group] + sizes[group])
                    found[int(row)] = (places.files[place], float(places.starts_s[place]))
        return Places([found[row][0] for row in rows], np.array([found[row][1] for row in rows]))


def _open_parquet(path: Path) -> EmbeddingFile:
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading Parquet", "parquet") from error
    with text_path(path) as name, parquet.ParquetFile(name) as file:
        schema, n_rows = file.schema_arrow, file.metadata.num_rows
        missing = [name for name in _COLUMNS if name not in schema.names]
        if missing:
            raise DataError(f"{path}: expected columns {', '.join(_COLUMNS)}; {missing[0]} is missing")
        dim = _dim(schema.field("embedding").type, file)
    text = (schema.metadata or {}).get(ORIGIN_KEY)
    return _ParquetFile(path, n_rows, dim, None if text is None else Origin.from_json(text, path))


def _dim(kind: Any, file: Any) -> int:
    """Length of the vectors: as the column says, or that of the first where other tools wrote it."""
    if hasattr(kind, "list_size"):
        return int(kind.list_size)
    first = next(file.iter_batches(1, columns=["embedding"]), None)
    return 0 if first is None else len(first.column(0)[0])


def _places(batch: Any) -> Places:
    files, starts_s = batch.column("file"), batch.column("start")
    if files.null_count or starts_s.null_count:
        raise ValueError("rows without file or start")
    return Places([named(file) for file in files.to_pylist()], np.asarray(starts_s, np.float64))


def _vectors(batch: Any, file: _ParquetFile) -> FloatArray:
    values = batch.column("embedding").flatten().to_numpy(zero_copy_only=False)
    if len(values) != batch.num_rows * file.dim:
        raise DataError(f"{file.path}: vectors differ in length, expected {file.dim} values in each")
    vectors: FloatArray = values.reshape(-1, file.dim).astype(np.float32, copy=False)
    return vectors


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say in one line which file cannot be read; damaged ones make numpy and pyarrow raise anything."""
    try:
        yield
    except HtsatError:
        raise
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or last_line(error)}") from error
    except Exception as error:  # a damaged file can make numpy and pyarrow raise anything
        raise DataError(f"{path}: is not a file of embeddings: {last_line(error)}") from error
