r"""Label tracks of the Audacity editor: onset, offset and label of each event, separated by tabs.

A line that begins with `\` gives the lowest and highest frequency of the label before it (a spectral
selection; negative where it is open on one side, which is no band). There is no place for probabilities.
"""

from __future__ import annotations

import re
from pathlib import Path

from htsat.errors import DataError
from htsat.formats.label_text import checked_band, checked_event, hertz, label_text, place, seconds
from htsat.formats.recording import DetectedRecording, Format, frequency_text, one_line, time_text
from htsat.scores import FrequencyBand, MarkedEvent, SoundEvent

_FREQUENCIES = "\\"
_FIRST_LINE = re.compile(r"\s*-?[\d.,]+\t-?[\d.,]+(?:\t|\n|$)", flags=re.ASCII)


def _describe_events(recording: DetectedRecording) -> str:
    return "".join(map(_lines, recording.events))


def _lines(event: SoundEvent) -> str:
    label = f"{time_text(event.onset_s)}\t{time_text(event.offset_s)}\t{one_line(event.label)}\n"
    if event.band is None:
        return label
    return (
        label + f"{_FREQUENCIES}\t{frequency_text(event.band.low_hz)}\t{frequency_text(event.band.high_hz)}\n"
    )


EVENTS = Format(".txt", "", _describe_events, one_recording=True)


def is_audacity(text: str) -> bool:
    """Whether a text begins with two times and tabs."""
    return _FIRST_LINE.match(text) is not None


def read_events(path: Path) -> list[SoundEvent]:
    """The labels of a track, as events that are certain.

    Raises:
        DataError: naming file and line, also for labels of a point in time, which have no length.
    """
    events: list[SoundEvent] = []
    for number, line in enumerate(label_text(path).split("\n"), start=1):
        where = place(path, number)
        if line.startswith(_FREQUENCIES):
            if not events:
                raise DataError(f"{where}: frequencies stand behind the label that they belong to")
            band = _band(line, where)
            events[-1] = events[-1] if band is None else MarkedEvent.of(events[-1], band)
        elif line.strip():
            events.append(_event(line, where))
    return events


def _event(line: str, where: str) -> SoundEvent:
    onset, offset, *label = line.split("\t", 2) if "\t" in line else (line, "")
    if not label:
        raise DataError(f"{where}: expected onset, offset and label with tabs between, got {line!r:.80}")
    event = checked_event(label[0], seconds(onset, where), seconds(offset, where), where)
    if event.onset_s == event.offset_s:
        raise DataError(f"{where}: {event.label!r} marks a point, expected a stretch with onset and offset")
    return event


def _band(line: str, where: str) -> FrequencyBand | None:
    cells = line.split("\t")
    if len(cells) != 3:
        raise DataError(f"{where}: expected \\, low and high frequency with tabs between, got {line!r:.80}")
    low_hz, high_hz = (hertz(cell, where) for cell in cells[1:])
    return None if min(low_hz, high_hz) < 0 else checked_band(low_hz, high_hz, where)
