"""Selection tables of the Raven sound analysis programs.

A selection always has a band of frequencies: events without one get the band in which was listened.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htsat.errors import DataError
from htsat.formats.event_columns import Columns, Row, events_by_file, find_columns, header_of, read_rows
from htsat.formats.label_text import label_text, seconds
from htsat.formats.recording import (
    DetectedRecording,
    Format,
    frequency_text,
    one_line,
    probability_text,
    time_text,
)
from htsat.scores import FrequencyBand, SoundEvent

_SELECTION = "Selection"
_BEGIN, _END, _FILE_OFFSET = "Begin Time (s)", "End Time (s)", "File Offset (s)"
_COLUMNS = (
    _SELECTION,
    "View",
    "Channel",
    _BEGIN,
    _END,
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Annotation",
    "Score",
)
# Raven draws boxes: where nobody says in which band was listened, one that recordings of any usual rate have.
_USUAL_BAND = FrequencyBand(0.0, 8000.0)


def _describe_events(recording: DetectedRecording) -> str:
    of_all = recording.heard or _USUAL_BAND
    rows = (
        (
            str(number),
            "Spectrogram 1",
            "1",
            time_text(event.onset_s),
            time_text(event.offset_s),
            *map(frequency_text, event.band or of_all),
            one_line(event.label),
            probability_text(event.probability),
        )
        for number, event in enumerate(recording.events, start=1)
    )
    return "".join("\t".join(row) + "\n" for row in rows)


EVENTS = Format(".selections.txt", "\t".join(_COLUMNS) + "\n", _describe_events, one_recording=True)


def is_raven(names: Sequence[str]) -> bool:
    """Whether these are columns of a selection table."""
    return _BEGIN in names and _END in names


def read_events(path: Path) -> dict[str, list[SoundEvent]]:
    """The selections of each file that the table names, or of `THIS_RECORDING` where it names none.

    A selection has a row for each view, which counts once. In tables about several files the time within the
    file is `File Offset (s)`: `Begin Time (s)` counts through all of them.

    Raises:
        DataError: naming file and line.
    """
    text = label_text(path)
    columns = find_columns(path, header_of(text))
    rows = [_within_file(row) for row in _without_views(list(read_rows(path, text)), columns)]
    n_files = len({row.cells[columns.file] for row in rows}) if columns.file else 1
    if n_files > 1 and _FILE_OFFSET not in rows[0].cells:
        raise DataError(f"{path}: selections of several files need a column {_FILE_OFFSET!r}")
    return events_by_file(rows, columns)


def _without_views(rows: list[Row], columns: Columns) -> list[Row]:
    """One row of each selection: what is measured may differ between its views."""
    if not rows or _SELECTION not in rows[0].cells:
        return rows
    said_by = [_SELECTION, columns.onset, columns.offset, *columns.labels, *filter(None, [columns.file])]
    selections: dict[tuple[str, ...], Row] = {}
    for row in rows:
        selections.setdefault(tuple(row.cells[name] for name in said_by), row)
    return list(selections.values())


def _within_file(row: Row) -> Row:
    """Times from the start of the file that the selection begins in."""
    offset = row.cells.get(_FILE_OFFSET, "").strip()
    if not offset or not is_raven(list(row.cells)):
        return row
    onset_s, begin_s, end_s = (
        seconds(text, row.where) for text in (offset, row.cells[_BEGIN], row.cells[_END])
    )
    times = {_BEGIN: str(onset_s), _END: str(onset_s + end_s - begin_s)}
    return row._replace(cells=row.cells | times)
