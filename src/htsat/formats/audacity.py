"""Label tracks of the Audacity editor: onset, offset and label of each event, separated by tabs.

The format has no place for probabilities.
"""

from __future__ import annotations

from pathlib import Path

from htsat.formats.recording import DetectedRecording, Format, one_line, reading, time_text
from htsat.scores import SoundEvent


def _describe_events(recording: DetectedRecording) -> str:
    return "".join(
        f"{time_text(event.onset_s)}\t{time_text(event.offset_s)}\t{one_line(event.label)}\n"
        for event in recording.events
    )


EVENTS = Format(".txt", "", _describe_events, one_recording=True)


def read_events(path: Path) -> list[SoundEvent]:
    r"""The labels of a track, as events that are certain; lines with frequencies (`\`) are passed over."""
    with reading(path, "an Audacity label track"):
        lines = path.read_text(encoding="utf-8").split("\n")
        rows = [line.split("\t") for line in lines if line.strip() and not line.startswith("\\")]
        return [SoundEvent(label, float(onset), float(offset), 1.0) for onset, offset, label in rows]
