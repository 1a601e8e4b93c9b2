"""JSON Lines: one object per recording, also for recordings in which nothing was found.

Events with a band also have `low_hz` and `high_hz`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from htsat.errors import DataError
from htsat.formats.label_text import checked_band, checked_duration, checked_event, label_text, place
from htsat.formats.no_text import utf8_json
from htsat.formats.recording import DetectedRecording, Format, TaggedRecording, reading
from htsat.scores import SoundEvent, Tag


def _describe_tags(recording: TaggedRecording) -> str:
    tags = [{"label": tag.label, "probability": _probability(tag.probability)} for tag in recording.tags]
    return _line({"file": recording.file, "duration": _time_s(recording.duration_s), "tags": tags})


def _describe_events(recording: DetectedRecording) -> str:
    events = [_fields(event) for event in recording.events]
    return _line({"file": recording.file, "duration": _time_s(recording.duration_s), "events": events})


def _fields(event: SoundEvent) -> dict[str, object]:
    fields: dict[str, object] = {
        "label": event.label,
        "onset": _time_s(event.onset_s),
        "offset": _time_s(event.offset_s),
        "probability": _probability(event.probability),
    }
    if event.band is None:
        return fields
    return fields | {"low_hz": round(event.band.low_hz, 3), "high_hz": round(event.band.high_hz, 3)}


def _line(document: Mapping[str, object]) -> str:
    return utf8_json(json.dumps(document, ensure_ascii=False, allow_nan=False)) + "\n"


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


def is_jsonl(text: str) -> bool:
    """Whether a text begins with an object that has events."""
    try:
        document = json.loads(text.lstrip("\n").partition("\n")[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "events" in document


def read_events(path: Path) -> list[DetectedRecording]:
    """All recordings, as `EVENTS` writes them.

    Raises:
        DataError: naming file and line.
    """
    lines = enumerate(label_text(path).split("\n"), start=1)
    return [_detected(line, place(path, number)) for number, line in lines if line.strip()]


def _detected(line: str, where: str) -> DetectedRecording:
    try:
        document = json.loads(line)
        events = [_event(event, where) for event in document["events"]]
        file, duration_s = str(document["file"]), checked_duration(float(document["duration"]), where)
        file.encode("utf-8", "surrogateescape")
        return DetectedRecording(file, duration_s, events)
    except KeyError as error:
        raise DataError(f"{where}: is not JSON Lines of sound events: no field {error}") from None
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{where}: is not JSON Lines of sound events: {error!s:.200}") from None


def _event(document: Mapping[str, Any], where: str) -> SoundEvent:
    times_s = float(document["onset"]), float(document["offset"])
    band = None
    if "low_hz" in document or "high_hz" in document:
        band = checked_band(float(document["low_hz"]), float(document["high_hz"]), where)
    return checked_event(str(document["label"]), *times_s, where, float(document["probability"]), band)


def _read(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    # Not splitlines: a label may hold other line separators of Unicode, which JSON leaves as they are.
    return [json.loads(line) for line in text.split("\n") if line]
