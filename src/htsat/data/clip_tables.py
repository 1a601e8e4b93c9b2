"""Clips as rows of a table, one each; what a missing or empty cell means is said here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from htsat.data.clip import Clip, Member, Row, address_of, path_of
from htsat.data.clip_files import LABEL_SEPARATOR, REQUIRED, Rows, read_rows, write_rows
from htsat.errors import DataError, last_line

_MAX_SHARED = 65_536
"""Distinct values of a column that are kept for later rows; where all differ that would cost, not save."""
_EMPTY = ("", None)
_UNKNOWN: Final = object()
_PLACES = ("offset", "size", "row")


def read_clips(path: Path) -> tuple[Clip, ...]:
    """Read the clips of a `.parquet` file, or of a TSV file of any other name.

    Raises:
        DataError: naming the file, and the line (Parquet: the row, counted from 0) that does not fit.
        MissingExtraError: when pyarrow is needed and not installed.
    """
    make = _ClipMaker(path.parent)
    clips: list[Clip] = []
    try:
        for rows in read_rows(path):
            try:
                clips += make.clips(rows.columns, len(rows.numbers))
            except DataError:
                raise _first_error(path, rows, make) from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or last_line(error)}") from None
    return tuple(clips)


def _first_error(path: Path, rows: Rows, make: _ClipMaker) -> DataError:
    """The error of the first row that does not fit."""
    for index, number in enumerate(rows.numbers):
        try:
            list(make.clips({name: [cells[index]] for name, cells in rows.columns.items()}, 1))
        except DataError as error:
            return DataError(f"{path}, {rows.unit} {number}: {error}")
    raise AssertionError("rows that do not fit together fit one by one")


def write_clips(path: Path, clips: Sequence[Clip]) -> None:
    """Write clips as `read_clips` reads them, with the columns that say something.

    Paths below the table's folder are stored relative to it, so that the folder can be moved.

    Raises:
        DataError: when a text cannot stand in the format.
    """
    folder = f"{path.parent.absolute()}{os.sep}"
    columns = {name: [value(clip, folder) for clip in clips] for name, value in _VALUES.items()}
    said = {
        name: values
        for name, values in columns.items()
        if name in REQUIRED or any(value != _UNSAID.get(name) for value in values)
    }
    write_rows(path, said)


class _ClipMaker:
    """Makes clips of columns; equal cells become one object, whatever the row."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, dict[Any, Any]] = {}

    def clips(self, columns: Mapping[str, Sequence[Any]], n_rows: int) -> Iterator[Clip]:
        """Clips of `n_rows` rows; empty and missing cells get the defaults of `Clip`."""

        def values(name: str, make: Callable[[Any], Any], default: Any = None) -> Iterable[Any]:
            return (
                self._values(name, columns[name], make, default)
                if name in columns
                else repeat(default, n_rows)
            )

        if any(cell in _EMPTY for cell in columns.get("path", [""])):
            raise DataError("the path is empty")
        places: Iterable[Member | Row | None] = repeat(None, n_rows)
        if not columns.keys().isdisjoint(_PLACES):
            places = map(_place, *(values(name, partial(_whole_number, name)) for name in _PLACES))
        return map(
            Clip,
            values("path", self._path),
            values("labels", _labels, ()),
            values("start", partial(_number, "start"), 0.0),
            values("duration", partial(_number, "duration")),
            values("fold", str.strip),
            values("group", str.strip, ""),
            values("weight", partial(_number, "weight"), 1.0),
            values("events", self._path),
            places,
        )

    def _values(self, name: str, cells: Sequence[Any], make: Callable[[Any], Any], default: Any) -> list[Any]:
        known = self._known.setdefault(name, dict.fromkeys(_EMPTY, default))
        made = []
        for cell in cells:
            value = known.get(cell, _UNKNOWN)
            if value is _UNKNOWN:
                value = make(cell)
                if len(known) < _MAX_SHARED:
                    known[cell] = value
            made.append(value)
        return made

    def _path(self, text: str) -> Path:
        return path_of(text) or self._folder / text


def _labels(cell: str | tuple[str, ...]) -> tuple[str, ...]:
    names = cell.split(LABEL_SEPARATOR) if isinstance(cell, str) else cell
    return tuple(sys.intern(_text(name.strip())) for name in names if name.strip())


def _text(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f"label {name!r:.80} is not UTF-8 text") from None
    return name


def _number(name: str, cell: str | float) -> float:
    try:
        return float(cell)
    except ValueError:
        raise DataError(f"{name} must be a number, got {cell!r:.80}") from None


def _whole_number(name: str, cell: str | int) -> int:
    try:
        return int(cell)
    except ValueError:
        raise DataError(f"{name} must be a whole number, got {cell!r:.80}") from None


def _place(offset: int | None, size: int | None, row: int | None) -> Member | Row | None:
    if (offset is None) != (size is None):
        raise DataError("offset and size go together")
    if row is not None and offset is not None:
        raise DataError("a clip has offset and size (tar shard) or row (HDF5, Parquet), not both")
    if offset is not None and size is not None:
        return Member(offset, size)
    return None if row is None else Row(row)


def _stored(path: Path, folder: str) -> str:
    """The path as text, relative where it lies below the folder."""
    address = address_of(path)
    if address is not None:
        return address
    return (str(path) if path.is_absolute() else str(path.absolute())).removeprefix(folder)


_VALUES: dict[str, Callable[[Clip, str], Any]] = {
    "path": lambda clip, folder: _stored(clip.path, folder),
    "labels": lambda clip, _: clip.labels,
    "start": lambda clip, _: clip.start_s,
    "duration": lambda clip, _: clip.duration_s,
    "fold": lambda clip, _: clip.fold,
    "group": lambda clip, _: clip.group,
    "weight": lambda clip, _: clip.weight,
    "events": lambda clip, folder: None if clip.events is None else _stored(clip.events, folder),
    "offset": lambda clip, _: clip.place.offset if isinstance(clip.place, Member) else None,
    "size": lambda clip, _: clip.place.size if isinstance(clip.place, Member) else None,
    "row": lambda clip, _: clip.place.index if isinstance(clip.place, Row) else None,
}
_UNSAID = {"start": 0.0, "group": "", "weight": 1.0}
"""Values that need no column; None for the others."""
