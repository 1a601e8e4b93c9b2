"""The tab-separated lists of the DCASE challenges: of events and of how long recordings are.

Events: `filename onset offset event_label`; durations: `filename duration`; in seconds, more columns may
stand beside. File names are without folders, as in the label files of the challenges; there is no place for
probabilities.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from htsat.errors import DataError, did_you_mean
from htsat.formats.bounded import some_names
from htsat.formats.label_text import checked_event, place, seconds, table_text
from htsat.formats.recording import DetectedRecording, Format, one_line, time_text
from htsat.scores import SoundEvent

_EVENT_COLUMNS = ("filename", "onset", "offset", "event_label")
_DURATION_COLUMNS = ("filename", "duration")
_BREAKS = re.compile(r"[\t\r\n]")


def _describe_events(recording: DetectedRecording) -> str:
    name = _BREAKS.sub(" ", PurePath(recording.file).name)
    return "".join(
        f"{name}\t{time_text(event.onset_s)}\t{time_text(event.offset_s)}\t{one_line(event.label)}\n"
        for event in recording.events
    )


EVENTS = Format(".tsv", "\t".join(_EVENT_COLUMNS) + "\n", _describe_events)


def read_events(path: Path) -> dict[str, list[SoundEvent]]:
    """The events of each file, as events that are certain; a file without events has an empty list.

    Raises:
        DataError: naming file and line.
    """
    events: dict[str, list[SoundEvent]] = {}
    for row in _rows(path, "a DCASE event list", _EVENT_COLUMNS):
        name, onset, offset, label = row.fields
        heard = events.setdefault(name, [])
        if onset or offset or label:
            onset_s, offset_s = (seconds(text or "nan", row.where) for text in (onset, offset))
            heard.append(checked_event(label, onset_s, offset_s, row.where))
    return events


def read_durations(path: Path) -> dict[str, float]:
    """How many seconds each file lasts.

    Raises:
        DataError: naming file and line; also when a file is listed with two durations, or none is listed.
    """
    durations_s: dict[str, float] = {}
    for row in _rows(path, "a list of durations", _DURATION_COLUMNS):
        name, text = row.fields
        duration_s = _duration(text, row.where)
        listed_s = durations_s.setdefault(name, duration_s)
        if listed_s != duration_s:
            raise DataError(f"{row.where}: {name} lasts {duration_s:g} s here and {listed_s:g} s above")
    if not durations_s:
        raise DataError(f"{path}: lists no recordings")
    return durations_s


class _Row(NamedTuple):
    """What stands in the columns that were asked for, and where messages say that it stands."""

    fields: tuple[str, ...]
    where: str


def _rows(path: Path, kind: str, columns: tuple[str, ...]) -> Iterator[_Row]:
    lines = io.StringIO(table_text(path), newline="")
    reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    cells_of_rows = _rows_of(path, reader)
    places = _places(path, kind, next(cells_of_rows, []), columns)
    for cells in cells_of_rows:
        where = place(path, reader.line_num)
        fields = tuple(cells[index].strip() if index < len(cells) else "" for index in places)
        if any(fields) and not fields[0]:
            raise DataError(f"{where}: the filename is missing")
        if any(fields):
            yield _Row(fields, where)


def _rows_of(path: Path, reader: Any) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(f"{place(path, reader.line_num)}: {error}") from None


def _places(path: Path, kind: str, found: list[str], columns: tuple[str, ...]) -> list[int]:
    """Where the columns stand in a row."""
    for name in columns:
        if name not in found:
            names = f"{some_names(found)}{did_you_mean(name, found[:100])}"
            raise DataError(f"{path}: is not {kind}: no column {name!r}, found {names}")
    return [found.index(name) for name in columns]


def _duration(text: str, where: str) -> float:
    try:
        duration_s = float(text)
    except ValueError:
        raise DataError(f"{where}: expected a duration in seconds, got {text!r:.80}") from None
    if not 0 < duration_s < float("inf"):
        raise DataError(f"{where}: expected a duration above 0 s, got {duration_s:g}")
    return duration_s
