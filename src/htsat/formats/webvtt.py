"""WebVTT: captions that show in a player what is heard, while it is heard.

A cue is an event; cues may overlap. Times are in milliseconds, and there is no place for probabilities.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

from htsat.errors import DataError
from htsat.formats.label_text import checked_event, label_text, place
from htsat.formats.recording import DetectedRecording, Format, one_line
from htsat.scores import SoundEvent

_MARK = "WEBVTT"
_ARROW = "-->"
_TIME = re.compile(r"(?:(\d{2,9}):)?([0-5]\d):([0-5]\d\.\d{3})", flags=re.ASCII)
_TAG = re.compile(r"<[^<>]*>")


def _describe_events(recording: DetectedRecording) -> str:
    cues = (
        f"{_time(event.onset_s)} {_ARROW} {_time(event.offset_s)}\n{_escaped(event.label)}\n"
        for event in sorted(recording.events, key=lambda event: event.onset_s)
    )
    return "".join(f"{cue}\n" for cue in cues)


def _time(time_s: float) -> str:
    seconds, milliseconds = divmod(round(1000 * time_s), 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{milliseconds:03}"


def _escaped(label: str) -> str:
    return html.escape(one_line(label), quote=False)


EVENTS = Format(".vtt", f"{_MARK}\n\n", _describe_events, one_recording=True)


def is_webvtt(text: str) -> bool:
    """Whether a text says that it is WebVTT."""
    return text.startswith(_MARK)


def read_events(path: Path) -> list[SoundEvent]:
    """The cues, as events that are certain; their text without markup is the label.

    Raises:
        DataError: naming file and line.
    """
    text = label_text(path)
    if not is_webvtt(text):
        raise DataError(f"{path}: is not WebVTT: does not begin with {_MARK}")
    return [_event(path, number, lines) for number, lines in _blocks(text) if _has_cue(lines)]


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lines between empty ones, with the number of the first; the header is left out."""
    lines: list[str] = []
    for number, line in enumerate(f"{text}\n".split("\n"), start=1):
        if line.strip():
            lines.append(line)
            continue
        if lines and not lines[0].startswith(_MARK):
            yield number - len(lines), lines
        lines = []


def _has_cue(lines: list[str]) -> bool:
    """Whether a block is a cue (its times on the first line, or behind a name) and no note or style."""
    return any(_ARROW in line for line in lines[:2])


def _event(path: Path, number: int, lines: list[str]) -> SoundEvent:
    at = next(index for index, line in enumerate(lines) if _ARROW in line)
    where = place(path, number + at)
    onset, _, rest = lines[at].partition(_ARROW)
    offset = rest.split()[0] if rest.split() else ""
    label = html.unescape(_TAG.sub("", " ".join(line.strip() for line in lines[at + 1 :])))
    return checked_event(label, _seconds(onset.strip(), where), _seconds(offset, where), where)


def _seconds(text: str, where: str) -> float:
    match = _TIME.fullmatch(text)
    if match is None:
        raise DataError(f"{where}: expected times as 00:01:02.345 {_ARROW} 00:01:03.000, got {text!r:.80}")
    return 3600 * int(match[1] or 0) + 60 * int(match[2]) + float(match[3])
