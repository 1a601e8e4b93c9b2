"""The tab-separated event lists of the DCASE challenges: `filename onset offset event_label`.

File names are without folders, as in the label files of the challenges; there is no place for probabilities.
"""

from __future__ import annotations

import csv
from pathlib import Path, PurePath

from htsat.formats.recording import DetectedRecording, Format, one_line, reading, time_text
from htsat.scores import SoundEvent


def _describe_events(recording: DetectedRecording) -> str:
    name = one_line(PurePath(recording.file).name)
    return "".join(
        f"{name}\t{time_text(event.onset_s)}\t{time_text(event.offset_s)}\t{one_line(event.label)}\n"
        for event in recording.events
    )


EVENTS = Format(".tsv", "filename\tonset\toffset\tevent_label\n", _describe_events)


def read_events(path: Path) -> dict[str, list[SoundEvent]]:
    """The events of each file, as events that are certain; a file without events has an empty list."""
    events: dict[str, list[SoundEvent]] = {}
    with reading(path, "a DCASE event list"), path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            heard = events.setdefault(row["filename"], [])
            if row["event_label"]:
                heard.append(SoundEvent(row["event_label"], float(row["onset"]), float(row["offset"]), 1.0))
    return events
