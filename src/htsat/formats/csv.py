"""CSV: one row per tag or event, of any number of recordings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from htsat.formats.recording import (
    DetectedRecording,
    Format,
    TaggedRecording,
    probability_text,
    reading,
    time_text,
)
from htsat.scores import SoundEvent, Tag


def _describe_tags(recording: TaggedRecording) -> str:
    return _rows((recording.file, tag.label, probability_text(tag.probability)) for tag in recording.tags)


def _describe_events(recording: DetectedRecording) -> str:
    return _rows(
        (
            recording.file,
            time_text(event.onset_s),
            time_text(event.offset_s),
            event.label,
            probability_text(event.probability),
        )
        for event in recording.events
    )


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


TAGS = Format(".csv", "file,label,probability\n", _describe_tags)
EVENTS = Format(".csv", "file,onset,offset,label,probability\n", _describe_events)


def read_tags(path: Path) -> dict[str, list[Tag]]:
    """The tags of each file that has any, as `TAGS` writes them."""
    tags: dict[str, list[Tag]] = {}
    with reading(path, "a CSV of tags"):
        for row in _read(path):
            tags.setdefault(row["file"], []).append(Tag(row["label"], float(row["probability"])))
    return tags


def read_events(path: Path) -> dict[str, list[SoundEvent]]:
    """The events of each file that has any, as `EVENTS` writes them."""
    events: dict[str, list[SoundEvent]] = {}
    with reading(path, "a CSV of sound events"):
        for row in _read(path):
            times_s = float(row["onset"]), float(row["offset"])
            event = SoundEvent(row["label"], *times_s, float(row["probability"]))
            events.setdefault(row["file"], []).append(event)
    return events


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))
