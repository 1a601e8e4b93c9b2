"""TextGrids of Praat: tiers of intervals without gaps, of which those with a text are events.

Intervals of a tier cannot overlap, so each class has a tier of its own, and more where its events overlap
(`Dog`, `Dog 2`). The label of an event is the text of its interval; names of tiers are for people. There is
no place for probabilities. Praat reads the numbers and texts of a file one after the other and passes over
what stands between; therefore its long and its short form are one here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from htsat.errors import DataError
from htsat.formats.label_text import THIS_RECORDING, checked_duration, checked_event, label_text, place
from htsat.formats.lanes import lanes
from htsat.formats.recording import DetectedRecording, Format, last_offset_s, one_line, time_text
from htsat.scores import SoundEvent

_MARK = "ooTextFile"
_TOKEN = re.compile(r'"(?P<text>(?:[^"]|"")*)"|(?P<flag><\w+>)|![^\n]*|(?P<word>[^\s"]+)')


class _Interval(NamedTuple):
    onset_s: float
    offset_s: float
    text: str


class _Tier(NamedTuple):
    name: str
    intervals: Sequence[_Interval]


def _describe_events(recording: DetectedRecording) -> str:
    end_s = max(recording.duration_s, last_offset_s(recording.events))
    tiers = [_Tier(lane.name, list(_filled(lane.events, end_s))) for lane in lanes(recording.events)]
    lines = [
        f'File type = "{_MARK}"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {time_text(end_s)}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
        *(line for number, tier in enumerate(tiers, 1) for line in _tier_lines(number, tier, end_s)),
    ]
    return "\n".join(lines) + "\n"


def _filled(events: Iterable[SoundEvent], end_s: float) -> Iterator[_Interval]:
    """Intervals from 0 to the end: the events, and empty ones between them."""
    before_s = 0.0
    for event in events:
        if time_text(before_s) != time_text(event.onset_s):
            yield _Interval(before_s, event.onset_s, "")
        yield _Interval(event.onset_s, event.offset_s, one_line(event.label))
        before_s = event.offset_s
    if time_text(before_s) != time_text(end_s):
        yield _Interval(before_s, end_s, "")


def _tier_lines(number: int, tier: _Tier, end_s: float) -> Iterator[str]:
    yield f"    item [{number}]:"
    yield '        class = "IntervalTier"'
    yield f"        name = {_quoted(tier.name)}"
    yield "        xmin = 0"
    yield f"        xmax = {time_text(end_s)}"
    yield f"        intervals: size = {len(tier.intervals)}"
    for index, interval in enumerate(tier.intervals, 1):
        yield f"        intervals [{index}]:"
        yield f"            xmin = {time_text(interval.onset_s)}"
        yield f"            xmax = {time_text(interval.offset_s)}"
        yield f"            text = {_quoted(interval.text)}"


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


EVENTS = Format(".TextGrid", "", _describe_events, one_recording=True)


def is_textgrid(text: str) -> bool:
    """Whether a text says that it is an object of Praat."""
    return _MARK in text.partition("\n")[0]


def read_events(path: Path) -> list[SoundEvent]:
    """The events of `read_recording`."""
    return read_recording(path).events


def read_recording(path: Path) -> DetectedRecording:
    """The intervals with a text in all tiers, by onset, as events that are certain.

    Raises:
        DataError: naming file and line, also for tiers of points, which have no length.
    """
    cells = _Cells(path, label_text(path))
    if not cells.text("file type").startswith(_MARK) or cells.text("object class") != "TextGrid":
        raise DataError(f"{path}: is not a TextGrid of Praat")
    _, end_s = cells.number("xmin"), cells.number("xmax")
    n_tiers = cells.count("number of tiers") if cells.flag() == "<exists>" else 0
    events = [event for _ in range(n_tiers) for event in _tier_events(cells)]
    end_s = checked_duration(end_s, str(path))
    return DetectedRecording(THIS_RECORDING, end_s, sorted(events, key=lambda event: event.onset_s))


class _Cells:
    """The numbers, texts and flags of a file in turn."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._whole = path, text
        self._tokens = (match for match in _TOKEN.finditer(text) if _is_cell(match))
        self._at, self._line = 0, 1

    @property
    def where(self) -> str:
        """Where the last of them stands."""
        return place(self._path, self._line)

    def text(self, what: str) -> str:
        """The next one, which must be a text."""
        return self._next("text", what).replace('""', '"')

    def number(self, what: str) -> float:
        """The next one, which must be a number."""
        return float(self._next("word", what))

    def count(self, what: str) -> int:
        """The next one, which must be a whole number."""
        number = self.number(what)
        if number < 0 or not number.is_integer():
            raise DataError(f"{self.where}: expected {what}, got {number:g}")
        return int(number)

    def flag(self) -> str:
        """The next one, which must be a flag."""
        return self._next("flag", "<exists>")

    def _next(self, kind: str, what: str) -> str:
        match = next(self._tokens, None)
        if match is None:
            raise DataError(f"{self._path}: ends where {what} was expected")
        self._line += self._whole.count("\n", self._at, match.start())
        self._at = match.start()
        if match[kind] is None:
            raise DataError(f"{self.where}: expected {what}, got {one_line(match[0]):.80}")
        return str(match[kind])


def _is_cell(match: re.Match[str]) -> bool:
    """Whether Praat would read it: not comments, nor words that are no numbers."""
    if match["word"] is None:
        return match["text"] is not None or match["flag"] is not None
    try:
        float(match["word"])
    except ValueError:
        return False
    return True


def _tier_events(cells: _Cells) -> Iterator[SoundEvent]:
    kind, name = cells.text("class of a tier"), cells.text("name of a tier")
    where = cells.where
    cells.number("xmin"), cells.number("xmax")
    n_entries = cells.count("number of intervals")
    if kind != "IntervalTier":
        if n_entries:
            raise DataError(f"{where}: tier {name!r} holds points, expected intervals with onset and offset")
        return
    for _ in range(n_entries):
        onset_s, offset_s = cells.number("xmin"), cells.number("xmax")
        label = cells.text("text of an interval")
        if label.strip():
            yield checked_event(label, onset_s, offset_s, cells.where)
