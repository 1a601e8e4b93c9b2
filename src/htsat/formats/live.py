"""Events of a stream that goes on: one line each, complete when it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from htsat.formats import csv
from htsat.formats.no_text import utf8_json
from htsat.formats.recording import DetectedRecording, one_line
from htsat.scores import SoundEvent


class LineFormat(NamedTuple):
    """A header, then a line for each event of a source."""

    header: str
    describe: Callable[[str, SoundEvent], str]


def _row(source: str, event: SoundEvent) -> str:
    return csv.EVENTS.describe(DetectedRecording(source, event.offset_s, [event]))


def _object(source: str, event: SoundEvent) -> str:
    document = {
        "file": source,
        "onset": round(event.onset_s, 4),
        "offset": round(event.offset_s, 4),
        "label": event.label,
        "probability": round(event.probability, 6),
    }
    return utf8_json(json.dumps(document, ensure_ascii=False, allow_nan=False)) + "\n"


def _columns(source: str, event: SoundEvent) -> str:
    times = f"{event.onset_s:9.2f} s {event.offset_s:9.2f} s"
    return f"  {times}  {event.probability:6.3f}  {one_line(event.label)}\n"


LIVE_FORMATS: dict[str, LineFormat] = {
    "table": LineFormat("", _columns),
    "csv": LineFormat(csv.EVENTS.header, _row),
    "jsonl": LineFormat("", _object),
}
