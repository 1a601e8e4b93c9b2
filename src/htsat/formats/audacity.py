r"""Label tracks of the Audacity editor: onset, offset and label of each event, separated by tabs.

The format has no place for probabilities. Lines that begin with `\` give a label's frequencies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from htsat.errors import DataError
from htsat.formats.label_text import checked_event, label_text, place, seconds
from htsat.formats.recording import DetectedRecording, Format, one_line, time_text
from htsat.scores import SoundEvent

_FIRST_LINE = re.compile(r"\s*-?[\d.,]+\t-?[\d.,]+(?:\t|\n|$)", flags=re.ASCII)


def _describe_events(recording: DetectedRecording) -> str:
    return "".join(
        f"{time_text(event.onset_s)}\t{time_text(event.offset_s)}\t{one_line(event.label)}\n"
        for event in recording.events
    )


EVENTS = Format(".txt", "", _describe_events, one_recording=True)


def is_audacity(text: str) -> bool:
    """Whether a text begins with two times and tabs."""
    return _FIRST_LINE.match(text) is not None


def read_events(path: Path) -> list[SoundEvent]:
    """The labels of a track, as events that are certain; frequencies are passed over.

    Raises:
        DataError: naming file and line, also for labels of a point in time, which have no length.
    """
    lines = enumerate(label_text(path).split("\n"), start=1)
    return list(_events(path, lines))


def _events(path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[SoundEvent]:
    for number, line in lines:
        if not line.strip() or line.startswith("\\"):
            continue
        where = place(path, number)
        onset, offset, *label = line.split("\t", 2) if "\t" in line else (line, "")
        if not label:
            raise DataError(f"{where}: expected onset, offset and label with tabs between, got {line!r}")
        event = checked_event(label[0], seconds(onset, where), seconds(offset, where), where)
        if event.onset_s == event.offset_s:
            raise DataError(
                f"{where}: {event.label!r} marks a point, expected a stretch with onset and offset"
            )
        yield event
