"""Selection tables of the Raven sound analysis programs."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from htsat.formats.recording import DetectedRecording, Format, one_line, probability_text, reading, time_text
from htsat.scores import SoundEvent

_COLUMNS = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Annotation",
    "Score",
)
# Raven draws boxes, but events have no frequency limits: a band that recordings of any usual rate have.
_LOW_HZ, _HIGH_HZ = "0", "8000"


def _describe_events(recording: DetectedRecording) -> str:
    rows = (
        (
            str(number),
            "Spectrogram 1",
            "1",
            time_text(event.onset_s),
            time_text(event.offset_s),
            _LOW_HZ,
            _HIGH_HZ,
            one_line(event.label),
            probability_text(event.probability),
        )
        for number, event in enumerate(recording.events, start=1)
    )
    return "".join("\t".join(row) + "\n" for row in rows)


EVENTS = Format(".selections.txt", "\t".join(_COLUMNS) + "\n", _describe_events, one_recording=True)


def read_events(path: Path) -> list[SoundEvent]:
    """The selections of a table that has an `Annotation` and a `Score` column."""
    with reading(path, "a Raven selection table"), path.open(newline="", encoding="utf-8") as file:
        return [_event(row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def _event(row: Mapping[str, str]) -> SoundEvent:
    times_s = float(row["Begin Time (s)"]), float(row["End Time (s)"])
    return SoundEvent(row["Annotation"], *times_s, float(row["Score"]))
