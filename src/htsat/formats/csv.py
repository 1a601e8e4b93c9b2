"""CSV: one row per tag or event, of any number of recordings.

`EVENTS_WITH_BANDS` has two more columns, which are empty for events without a band.
"""

from __future__ import annotations

import csv
from pathlib import Path

from htsat.formats.csv_rows import csv_text
from htsat.formats.event_columns import events_by_file, find_columns, header_of, read_rows
from htsat.formats.label_text import table_text
from htsat.formats.recording import (
    DetectedRecording,
    Format,
    TaggedRecording,
    frequency_text,
    probability_text,
    reading,
    time_text,
)
from htsat.scores import SoundEvent, Tag


def _describe_tags(recording: TaggedRecording) -> str:
    return csv_text((recording.file, tag.label, probability_text(tag.probability)) for tag in recording.tags)


def _describe_events(recording: DetectedRecording) -> str:
    return csv_text(_cells(recording.file, event) for event in recording.events)


def _describe_with_bands(recording: DetectedRecording) -> str:
    return csv_text(
        (*_cells(recording.file, event), *(map(frequency_text, event.band) if event.band else ("", "")))
        for event in recording.events
    )


def _cells(file: str, event: SoundEvent) -> tuple[str, ...]:
    times = time_text(event.onset_s), time_text(event.offset_s)
    return (file, *times, event.label, probability_text(event.probability))


TAGS = Format(".csv", "file,label,probability\n", _describe_tags)
EVENTS = Format(".csv", "file,onset,offset,label,probability\n", _describe_events)
EVENTS_WITH_BANDS = Format(
    ".csv", "file,onset,offset,label,probability,low_hz,high_hz\n", _describe_with_bands
)


def read_tags(path: Path) -> dict[str, list[Tag]]:
    """The tags of each file that has any, as `TAGS` writes them."""
    tags: dict[str, list[Tag]] = {}
    with reading(path, "a CSV of tags"):
        for row in _read(path):
            tags.setdefault(row["file"], []).append(Tag(row["label"], float(row["probability"])))
    return tags


def read_events(path: Path) -> dict[str, list[SoundEvent]]:
    """The events of each file that the table names, with tabs and semicolons for commas too.

    `EVENTS` writes such tables, others have the usual names for the same columns. Where no column tells the
    file, all events are about `THIS_RECORDING`. Probabilities that are not told are 1. Names of files may be
    no text.

    Raises:
        DataError: naming file and line.
    """
    text = table_text(path)
    columns = find_columns(path, header_of(text))
    return events_by_file(read_rows(path, text), columns)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))
