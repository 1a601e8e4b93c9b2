"""Tables for people: a heading per recording and aligned columns."""

from __future__ import annotations

from htsat.formats.recording import DetectedRecording, Format, TaggedRecording, one_line


def _describe_tags(recording: TaggedRecording) -> str:
    rows = [f"  {tag.probability:6.3f}  {one_line(tag.label)}" for tag in recording.tags]
    return _section(recording.file, recording.duration_s, rows or ["  no tags"])


def _describe_events(recording: DetectedRecording) -> str:
    rows = [
        f"  {event.onset_s:9.2f} s {event.offset_s:9.2f} s  {event.probability:6.3f}  {one_line(event.label)}"
        for event in recording.events
    ]
    return _section(recording.file, recording.duration_s, rows or ["  no events"])


def _section(file: str, duration_s: float, rows: list[str]) -> str:
    return "\n".join([f"{file} ({duration_s:.2f} s)", *rows, "", ""])


TAGS = Format(".txt", "", _describe_tags)
EVENTS = Format(".txt", "", _describe_events)
