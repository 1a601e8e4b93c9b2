"""Formats for tags and sound events: one module per format, with a writer and a reader."""

from __future__ import annotations

from htsat.formats import (
    audacity,
    csv,
    dcase,
    elan,
    jams,
    jsonl,
    parquet,
    raven,
    table,
    textgrid,
    webvtt,
)
from htsat.formats.recording import AnyFormat, DetectedRecording, FileFormat, Format, TaggedRecording

__all__ = [
    "ALL_EVENT_FORMATS",
    "ALL_TAG_FORMATS",
    "EVENT_FORMATS",
    "TAG_FORMATS",
    "AnyFormat",
    "DetectedRecording",
    "FileFormat",
    "Format",
    "TaggedRecording",
]

TAG_FORMATS: dict[str, Format[TaggedRecording]] = {
    "table": table.TAGS,
    "csv": csv.TAGS,
    "jsonl": jsonl.TAGS,
}

EVENT_FORMATS: dict[str, Format[DetectedRecording]] = {
    "table": table.EVENTS,
    "csv": csv.EVENTS,
    "jsonl": jsonl.EVENTS,
    "audacity": audacity.EVENTS,
    "raven": raven.EVENTS,
    "tsv": dcase.EVENTS,
    "textgrid": textgrid.EVENTS,
    "webvtt": webvtt.EVENTS,
    "elan": elan.EVENTS,
    "jams": jams.EVENTS,
}

ALL_TAG_FORMATS: dict[str, AnyFormat[TaggedRecording]] = {**TAG_FORMATS, "parquet": parquet.TAGS}
"""With those that are no text."""

ALL_EVENT_FORMATS: dict[str, AnyFormat[DetectedRecording]] = {**EVENT_FORMATS, "parquet": parquet.EVENTS}
