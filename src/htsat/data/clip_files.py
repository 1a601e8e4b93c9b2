"""Tables as files, TSV or Parquet: columns of cells by name, of which some must be there and no others may.

Cells are text, numbers or labels; "" and None are empty.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple

from htsat.errors import DataError, MissingExtraError, did_you_mean, last_line
from htsat.files import atomic_path, text_path
from htsat.formats.bounded import bounded_lines, some_names

LABEL_SEPARATOR = ";"
REQUIRED = ("path", "labels")
_TEXTS = ("path", "fold", "group", "events")
_REALS = ("start", "duration", "weight")
_INTEGERS = ("offset", "size", "row")
COLUMNS = (*REQUIRED, "start", "duration", "fold", "group", "weight", "events", *_INTEGERS)

_MAX_ROWS = 65_536
"""Rows that are handled at once; small against millions, large enough for loops inside the interpreter."""
_BREAKS = frozenset("\t\r\n")

Columns = Mapping[str, Sequence[Any]]


class Rows(NamedTuple):
    """Some rows of a table: their cells by column, and how messages number them."""

    columns: Columns
    unit: Literal["line", "row"]
    numbers: Sequence[int]


def read_rows(path: Path) -> Iterator[Rows]:
    """The rows of a `.parquet` file, or of a TSV file of any other name, many at a time.

    Raises:
        DataError: when it is no table, or not one of clips.
        MissingExtraError: when pyarrow is needed and not installed.
    """
    return _parquet_rows(path) if _is_parquet(path) else _tsv_rows(path)


def write_rows(path: Path, columns: Columns) -> None:
    """Write a table as `read_rows` reads it; raises DataError when a text cannot stand in the format."""
    write = _write_parquet if _is_parquet(path) else _write_tsv
    with atomic_path(path) as temporary:
        write(temporary, columns, str(path))


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _check_columns(path: Path, columns: Iterable[str]) -> list[str]:
    found = list(columns)
    for name in REQUIRED:
        if name not in found:
            raise DataError(f"{path}: a manifest needs a column {name!r}, found {some_names(found)}")
    for name in found:
        if name not in COLUMNS:
            near = did_you_mean(name, COLUMNS) or f"; known are {', '.join(COLUMNS)}"
            raise DataError(f"{path}: unknown column {name!r:.80}{near}")
    if len(set(found)) < len(found):
        raise DataError(f"{path}: a column occurs twice in {some_names(found)}")
    return found


def _tsv_rows(path: Path) -> Iterator[Rows]:
    """Rows of a TSV file. Names of files may be no text, so undecodable bytes pass through."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(bounded_lines(file), delimiter="\t", quoting=csv.QUOTE_NONE)
        try:
            header = next(reader, [])
            if not all(name.isprintable() for name in header):
                raise DataError(f"{path}: cannot be read as a manifest (not a UTF-8 table)")
            columns = _check_columns(path, header)
            numbered = ((line, row) for line, row in enumerate(reader, 2) if row)
            while batch := list(islice(numbered, _MAX_ROWS)):
                lines, rows = zip(*batch, strict=True)
                for line, row in batch:
                    if len(row) > len(columns):
                        raise DataError(
                            f"{path}, line {line}: has {len(row)} cells for {len(columns)} columns"
                        )
                # Empty cells at the end of a row may be left out, in all rows of a batch too (not strict).
                cells = zip_longest(*rows, fillvalue="")
                yield Rows(dict(zip(columns, cells, strict=False)), "line", lines)
        except (csv.Error, ValueError) as error:
            raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def _parquet_rows(path: Path) -> Iterator[Rows]:
    pa, parquet = _pyarrow()
    try:
        with text_path(path) as name, parquet.ParquetFile(name) as file:
            columns = _check_columns(path, file.schema_arrow.names)
            n_before = 0
            for batch in file.iter_batches(_MAX_ROWS):
                cells = {name: _parquet_cells(path, name, batch.column(name)) for name in columns}
                yield Rows(cells, "row", range(n_before, n_before + len(batch)))
                n_before += len(batch)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a Parquet manifest ({last_line(error)})") from None


def _parquet_cells(path: Path, name: str, column: Any) -> list[Any]:
    import pyarrow as pa

    is_list = name == "labels" and pa.types.is_list(column.type)
    kind = pa.string() if name == "labels" and not is_list else _arrow_types()[name]
    try:
        if name == "fold" and pa.types.is_floating(column.type):
            column = column.cast(pa.int64())  # whole numbers with gaps are often stored so
        cells: list[Any] = column.cast(kind).to_pylist()
    except pa.ArrowException:
        raise DataError(f"{path}: column {name!r} must hold {kind}, found {column.type}") from None
    return [None if labels is None else tuple(labels) for labels in cells] if is_list else cells


def _write_parquet(path: Path, columns: Columns, name: str) -> None:
    pa, parquet = _pyarrow()
    kinds = _arrow_types()
    try:
        arrays = {column: pa.array(values, kinds[column]) for column, values in columns.items()}
    except UnicodeEncodeError as error:
        raise DataError(f"{name}: {error.object!r} is not UTF-8 text, which Parquet needs") from None
    with text_path(path) as text_name:
        parquet.write_table(pa.table(arrays), text_name, row_group_size=_MAX_ROWS, compression="zstd")


def _write_tsv(path: Path, columns: Columns, name: str) -> None:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write("\t".join(columns) + "\n")
        for row in zip(*columns.values(), strict=True):
            file.write("\t".join(_tsv_cell(value, name) for value in row) + "\n")


def _tsv_cell(value: Any, name: str) -> str:
    if isinstance(value, tuple):
        for label in value:
            if LABEL_SEPARATOR in label:
                raise DataError(f"{name}: label {label!r} holds the separator of labels in TSV manifests")
        value = LABEL_SEPARATOR.join(value)
    text = "" if value is None else str(value)
    if not _BREAKS.isdisjoint(text):
        raise DataError(f"{name}: {text!r} holds a tab or line break and cannot stand in a TSV manifest")
    return text


def _arrow_types() -> dict[str, Any]:
    import pyarrow as pa

    texts, reals = dict.fromkeys(_TEXTS, pa.string()), dict.fromkeys(_REALS, pa.float64())
    return texts | reals | dict.fromkeys(_INTEGERS, pa.int64()) | {"labels": pa.list_(pa.string())}


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("a Parquet file", "train") from error
    return pyarrow, parquet
