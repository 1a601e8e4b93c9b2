"""JSON Lines: one object per recording, also for recordings in which nothing was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from htsat.formats.recording import DetectedRecording, Format, TaggedRecording, reading
from htsat.scores import SoundEvent, Tag


def _describe_tags(recording: TaggedRecording) -> str:
    tags = [{"label": tag.label, "probability": _probability(tag.probability)} for tag in recording.tags]
    return _line({"file": recording.file, "duration": _time_s(recording.duration_s), "tags": tags})


def _describe_events(recording: DetectedRecording) -> str:
    events = [
        {
            "label": event.label,
            "onset": _time_s(event.onset_s),
            "offset": _time_s(event.offset_s),
            "probability": _probability(event.probability),
        }
        for event in recording.events
    ]
    return _line({"file": recording.file, "duration": _time_s(recording.duration_s), "events": events})


def _line(document: Mapping[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"


def _time_s(time_s: float) -> float:
    return round(time_s, 4)


def _probability(probability: float) -> float:
    return round(probability, 6)


TAGS = Format(".jsonl", "", _describe_tags)
EVENTS = Format(".jsonl", "", _describe_events)


def read_tags(path: Path) -> list[TaggedRecording]:
    """All recordings, as `TAGS` writes them."""
    with reading(path, "JSON Lines of tags"):
        return [
            TaggedRecording(line["file"], line["duration"], [Tag(**tag) for tag in line["tags"]])
            for line in _read(path)
        ]


def read_events(path: Path) -> list[DetectedRecording]:
    """All recordings, as `EVENTS` writes them."""
    with reading(path, "JSON Lines of sound events"):
        return [
            DetectedRecording(line["file"], line["duration"], [_event(event) for event in line["events"]])
            for line in _read(path)
        ]


def _event(document: Mapping[str, Any]) -> SoundEvent:
    return SoundEvent(document["label"], document["onset"], document["offset"], document["probability"])


def _read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    # Not splitlines: a label may hold other line separators of Unicode, which JSON leaves as they are.
    return [json.loads(line) for line in text.split("\n") if line]
