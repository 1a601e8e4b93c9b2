"""Parquet: the columns of CSV, one row per tag or event, of any number of recordings.

Events also have `low_hz` and `high_hz`, null where there is no band. Needs pyarrow, which comes with the
extra `parquet`. Memory does not grow: rows are written and read in groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from htsat.errors import DataError, MissingExtraError, did_you_mean
from htsat.files import atomic_path, text_path
from htsat.formats.label_text import checked_band, checked_event
from htsat.formats.no_text import named, spelled
from htsat.formats.recording import DetectedRecording, FileFormat, TaggedRecording
from htsat.scores import SoundEvent, Tag

_MARK = b"PAR1"
_ROWS_IN_GROUP = 100_000
_TAG_COLUMNS = {"file": "string", "label": "string", "probability": "float64"}
_EVENT_COLUMNS = {
    "file": "string",
    "onset": "float64",
    "offset": "float64",
    "label": "string",
    "probability": "float64",
    "low_hz": "float64",
    "high_hz": "float64",
}
_OPTIONAL = ("file", "probability", "low_hz", "high_hz")

Row = tuple[object, ...]


@contextmanager
def _tags_to(path: Path) -> Iterator[Callable[[TaggedRecording], None]]:
    with _rows_to(path, _TAG_COLUMNS) as write:
        yield lambda recording: write([(recording.file, *tag) for tag in recording.tags])


@contextmanager
def _events_to(path: Path) -> Iterator[Callable[[DetectedRecording], None]]:
    with _rows_to(path, _EVENT_COLUMNS) as write:
        yield lambda recording: write([_cells(recording.file, event) for event in recording.events])


def _cells(file: str, event: SoundEvent) -> Row:
    times_s = event.onset_s, event.offset_s
    return (file, *times_s, event.label, event.probability, *(event.band or (None, None)))


@contextmanager
def _rows_to(path: Path, columns: dict[str, str]) -> Iterator[Callable[[Sequence[Row]], None]]:
    """Take rows, and write them in groups; the file takes its name when the block ends well."""
    pa, parquet = _pyarrow("writing Parquet")
    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in columns.items()])
    rows: list[Row] = []

    def flush() -> None:
        cells = [[_text(cell) for cell in column] for column in zip(*rows, strict=True)]
        writer.write_table(pa.table(cells, schema=schema))
        rows.clear()

    def write(more: Sequence[Row]) -> None:
        rows.extend(more)
        if len(rows) >= _ROWS_IN_GROUP:
            flush()

    with (
        atomic_path(path) as temporary,
        text_path(temporary) as name,
        parquet.ParquetWriter(name, schema) as writer,
    ):
        yield write
        if rows:
            flush()


def _text(cell: object) -> object:
    return spelled(cell) if isinstance(cell, str) else cell


TAGS = FileFormat(".parquet", _tags_to)
EVENTS = FileFormat(".parquet", _events_to)


def is_parquet(content: bytes) -> bool:
    """Whether a file begins as Parquet does."""
    return content.startswith(_MARK)


def read_tags(path: Path) -> dict[str, list[Tag]]:
    """The tags of each file that has any, as `TAGS` writes them."""
    tags: dict[str, list[Tag]] = {}
    for row in _read(path, _TAG_COLUMNS):
        tags.setdefault(named(row["file"]), []).append(Tag(named(row["label"]), row["probability"]))
    return tags


def read_events(path: Path) -> dict[str, list[SoundEvent]]:
    """The events of each file that the table names; those without a column for it are certain.

    Raises:
        DataError: naming file and row, counted from 1.
    """
    events: dict[str, list[SoundEvent]] = {}
    for number, row in enumerate(_read(path, _EVENT_COLUMNS), 1):
        events.setdefault(named(row["file"] or ""), []).append(_event(row, f"{path}, row {number}"))
    return events


def _event(row: dict[str, Any], where: str) -> SoundEvent:
    low_hz, high_hz = row["low_hz"], row["high_hz"]
    band = None if low_hz is None or high_hz is None else checked_band(low_hz, high_hz, where)
    onset_s, offset_s = (math.nan if row[name] is None else row[name] for name in ("onset", "offset"))
    probability = 1.0 if row["probability"] is None else row["probability"]
    return checked_event(named(row["label"] or ""), onset_s, offset_s, where, probability, band)


def _read(path: Path, columns: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The rows of these columns, of their types, null where a column that need not be there is missing."""
    pa, parquet = _pyarrow("reading Parquet")
    try:
        with text_path(path) as text_name, parquet.ParquetFile(text_name) as file:
            names = file.schema_arrow.names
            for name in columns:
                if name not in names and name not in _OPTIONAL:
                    found = f"{', '.join(names)}{did_you_mean(name, names)}"
                    raise DataError(f"{path}: has no column {name!r}, found {found}")
            there = [name for name in columns if name in names]
            schema = pa.schema([(name, getattr(pa, columns[name])()) for name in there])
            for batch in file.iter_batches(columns=there):
                table = pa.table(batch).select(there).cast(schema)
                yield from (dict.fromkeys(columns) | row for row in table.to_pylist())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}") from None


def _pyarrow(feature: str) -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError(feature, "parquet") from error
    return pa, parquet
