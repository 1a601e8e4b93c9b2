"""JAMS: JSON documents of annotations of one recording, each of a kind that its namespace names.

Sound events are written as observations in `tag_open`: time, duration, label, and the probability as
confidence. Read are all namespaces of tags and segments, and Scaper's. There is no place for bands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from htsat.errors import DataError
from htsat.formats.bounded import some_names
from htsat.formats.label_text import THIS_RECORDING, checked_duration, checked_event, label_text, place
from htsat.formats.no_text import utf8_json
from htsat.formats.recording import DetectedRecording, Format, last_offset_s
from htsat.scores import SoundEvent

_VERSION = "0.3.5"
_NAMESPACE = "tag_open"
_DIGITS = 9
"""Of the sum of two times: what follows at once does not overlap."""

_READ = ("tag_", "segment_", "scaper")
"""How the namespaces begin whose observations are events."""


def _describe_events(recording: DetectedRecording) -> str:
    duration_s = _time_s(max(recording.duration_s, last_offset_s(recording.events)))
    document = {
        "file_metadata": {
            "title": recording.file,
            "artist": "",
            "release": "",
            "duration": duration_s,
            "identifiers": {},
            "jams_version": _VERSION,
        },
        "annotations": [
            {
                "namespace": _NAMESPACE,
                "annotation_metadata": {"annotation_tools": "htsat"},
                "data": [_observation(event) for event in recording.events],
                "sandbox": {},
                "time": 0,
                "duration": duration_s,
            }
        ],
        "sandbox": {},
    }
    return utf8_json(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)) + "\n"


def _observation(event: SoundEvent) -> dict[str, object]:
    onset_s, offset_s = _time_s(event.onset_s), _time_s(event.offset_s)
    return {
        "time": onset_s,
        "duration": _time_s(offset_s - onset_s),
        "value": event.label,
        "confidence": round(event.probability, 6),
    }


def _time_s(time_s: float) -> float:
    return round(time_s, 4)


EVENTS = Format(".jams", "", _describe_events, one_recording=True)


def is_jams(text: str) -> bool:
    """Whether a text looks like an object with annotations."""
    return text.lstrip().startswith("{") and '"annotations"' in text


def read_recording(path: Path) -> DetectedRecording:
    """The events in all annotations of tags and segments, by onset; they are certain without a confidence.

    Raises:
        DataError: naming file and line, or annotation and observation, both counted from 1.
    """
    try:
        document = json.loads(label_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{place(path, error.lineno)}: is not JAMS: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JAMS: {error}") from None
    with _fitting(f"{path}"):
        annotations = [dict(annotation) for annotation in document["annotations"]]
        namespaces = [str(annotation["namespace"]) for annotation in annotations]
        stated_s = float(document.get("file_metadata", {}).get("duration") or 0)
    duration_s = checked_duration(stated_s, str(path))
    if annotations and not any(name.startswith(_READ) for name in namespaces):
        found = some_names(sorted(set(namespaces)))
        raise DataError(f"{path}: expected annotations in {_NAMESPACE}, found {found}")
    events = [
        event
        for number, annotation in enumerate(annotations, 1)
        if namespaces[number - 1].startswith(_READ)
        for event in _events(annotation, f"{path}, annotation {number}")
    ]
    in_time = sorted(events, key=lambda event: event.onset_s)
    return DetectedRecording(THIS_RECORDING, max(duration_s, last_offset_s(events)), in_time)


def _events(annotation: Mapping[str, Any], where: str) -> Iterator[SoundEvent]:
    with _fitting(where):
        observations = [dict(observation) for observation in annotation["data"]]
    for number, observation in enumerate(observations, 1):
        here = f"{where}, observation {number}"
        with _fitting(here):
            onset_s, duration_s = float(observation["time"]), float(observation["duration"])
            confidence = observation.get("confidence")
            probability = 1.0 if confidence is None else float(confidence)
            label = observation["value"]
            name = str(label["label"] if isinstance(label, dict) else label)
        yield checked_event(name, onset_s, round(onset_s + duration_s, _DIGITS), here, probability)


@contextmanager
def _fitting(where: str) -> Iterator[None]:
    """Say where a document is not JAMS, and why, when what is read in the block does not fit."""
    try:
        yield
    except KeyError as error:
        raise DataError(f"{where}: is not JAMS: no field {error}") from None
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{where}: is not JAMS: {error!s:.200}") from None
