"""Tables of events as people write them: which column is what, and the rows.

Names of columns are compared without letter case, spaces, `_`, `-` and a unit of seconds or hertz:
`Start Time (s)` is `start_time`. Those in other units have other names, and are not found.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from htsat.errors import DataError, did_you_mean
from htsat.formats.bounded import some_names
from htsat.formats.label_text import THIS_RECORDING, checked_band, checked_event, hertz, place, seconds
from htsat.scores import FrequencyBand, SoundEvent

Role = Literal["onset", "offset", "label", "file", "probability", "low", "high"]

NAMES: dict[Role, tuple[str, ...]] = {
    "onset": ("onset", "start", "begin", "onsettime", "starttime", "begintime", "tmin"),
    "offset": ("offset", "end", "stop", "offsettime", "endtime", "stoptime", "tmax"),
    "label": (
        *("label", "eventlabel", "annotation", "class", "species", "labels", "classname", "category"),
        *("commonname", "speciesname", "scientificname", "speciescode", "soundevent", "event", "sound"),
        *("tag", "calltype", "text"),
    ),
    "file": (
        *("filename", "file", "path", "filepath", "recording", "audiofile", "audiofilename", "audio"),
        *("wavfile", "soundfile", "beginpath", "beginfile", "segmentid"),
    ),
    "probability": ("probability", "score", "confidence"),
    "low": ("low", "lowfreq", "lowfrequency", "minfreq", "minfrequency", "freqmin", "fmin", "freqlow"),
    "high": ("high", "highfreq", "highfrequency", "maxfreq", "maxfrequency", "freqmax", "fmax", "freqhigh"),
}
"""The names by which each column is known, the first ones before others."""

REQUIRED: tuple[Role, ...] = ("onset", "offset", "label")

_UNIT = re.compile(
    r"(?<![\s_-])[\s_-]*[(\[](?:s|secs?|seconds|hz)[)\]]$|(?<![\s_-])[\s_-]+(?:s|secs?|seconds|hz)$"
)
_SPACES = re.compile(r"[\s_-]+")
_LINE = re.compile(r"[^\r\n]*")

MAX_COLUMNS = 4096
"""Of a table: a row that is shorter is filled up to them."""


class Row(NamedTuple):
    """Cells by the name of their column, and where messages say that they stand."""

    cells: dict[str, str]
    where: str


class Columns(NamedTuple):
    """The names of the columns of a table; there may be several for the label, and none of the last ones.

    `band` has those of the lowest and the highest frequency.
    """

    onset: str
    offset: str
    labels: tuple[str, ...]
    file: str | None
    probability: str | None
    band: tuple[str, str] | None


def header_of(text: str) -> list[str]:
    """The names of the columns of a table; none where its first line is no header."""
    try:
        names: list[str] = next(_reader(_first_line(text)), [])
    except csv.Error:
        return []
    return [name.strip() for name in names]


def has_columns(names: Sequence[str]) -> bool:
    """Whether a table has what events need."""
    return all(_known(role, names[:MAX_COLUMNS]) for role in REQUIRED)


def find_columns(path: Path, names: Sequence[str]) -> Columns:
    """Say which column is what.

    Raises:
        DataError: when one is missing, with the columns that are there, or there are more than `MAX_COLUMNS`.
    """
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{path}: has {len(names):,} columns, at most {MAX_COLUMNS:,} are read")
    for role in REQUIRED:
        if not _known(role, names):
            raise DataError(
                f"{path}: strong labels need a column {role!r} ({', '.join(NAMES[role][1:5])} ...), "
                f"found {some_names(names)}{did_you_mean(role, names[:100])}"
            )
    low, high = _first("low", names), _first("high", names)
    return Columns(
        _known("onset", names)[0],
        _known("offset", names)[0],
        tuple(_known("label", names)),
        _first("file", names),
        _first("probability", names),
        (low, high) if low and high else None,
    )


def read_rows(path: Path, text: str) -> Iterator[Row]:
    """The rows of a table behind its header; separated by tabs, semicolons or commas.

    Raises:
        DataError: naming file and line of the first row that has more cells than there are columns.
    """
    names = header_of(text)
    reader = _reader(text)
    try:
        next(reader, None)
        for cells in reader:
            where = place(path, reader.line_num)
            if len(cells) > len(names):
                raise DataError(f"{where}: has {len(cells)} cells for {len(names)} columns")
            padded = [*cells, *[""] * (len(names) - len(cells))]
            if any(cells):
                yield Row(dict(zip(names, padded, strict=True)), where)
    except csv.Error as error:
        raise DataError(f"{place(path, reader.line_num)}: {error}") from None


def events_by_file(rows: Iterable[Row], columns: Columns) -> dict[str, list[SoundEvent]]:
    """The events of each recording; a row without onset and label says that nothing is heard in it.

    Of several columns for the label the first one counts that is not empty throughout.
    """
    label = columns.labels[0]
    if len(columns.labels) > 1:
        rows = list(rows)
        filled = (name for name in columns.labels if any(row.cells[name].strip() for row in rows))
        label = next(filled, label)
    events: dict[str, list[SoundEvent]] = {} if columns.file else {THIS_RECORDING: []}
    for row in rows:
        name = row.cells[columns.file].strip() if columns.file else THIS_RECORDING
        if columns.file and not name:
            raise DataError(f"{row.where}: the column {columns.file!r} is empty")
        of_file = events.setdefault(name, [])
        if row.cells[label].strip() or row.cells[columns.onset].strip():
            of_file.append(_event(row, columns, label))
    return events


def _event(row: Row, columns: Columns, label: str) -> SoundEvent:
    onset_s, offset_s = (seconds(row.cells[name] or "nan", row.where) for name in columns[:2])
    probability = row.cells[columns.probability].strip() if columns.probability else ""
    try:
        certainty = float(probability or 1)
    except ValueError:
        raise DataError(
            f"{row.where}: {columns.probability} must be a number, got {probability!r:.80}"
        ) from None
    return checked_event(row.cells[label], onset_s, offset_s, row.where, certainty, _band(row, columns))


def _band(row: Row, columns: Columns) -> FrequencyBand | None:
    """The band of an event; one of the two frequencies alone is none."""
    low, high = (row.cells[name].strip() for name in columns.band) if columns.band else ("", "")
    return checked_band(hertz(low, row.where), hertz(high, row.where), row.where) if low and high else None


def _first(role: Role, names: Sequence[str]) -> str | None:
    return next(iter(_known(role, names)), None)


def _known(role: Role, names: Sequence[str]) -> list[str]:
    """The columns that may be of this kind, the better known names first."""
    plain = {name: _SPACES.sub("", _UNIT.sub("", name.lower())) for name in names}
    return [name for known in NAMES[role] for name in names if plain[name] == known]


def _reader(text: str) -> Any:
    """Tables with tabs have no quotes: what looks like one is a part of the label."""
    header, lines = _first_line(text), io.StringIO(text, newline="")
    if "\t" in header:
        return csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=";" if ";" in header else ",")


def _first_line(text: str) -> str:
    found = _LINE.match(text)
    return found[0] if found else ""
