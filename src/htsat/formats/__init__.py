"""Text formats for tags and sound events: one module per format, with a writer and a reader."""

from __future__ import annotations

from htsat.formats import audacity, csv, dcase, jsonl, raven, table, textgrid, webvtt
from htsat.formats.recording import DetectedRecording, Format, TaggedRecording

__all__ = ["EVENT_FORMATS", "TAG_FORMATS", "DetectedRecording", "Format", "TaggedRecording"]

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
}
