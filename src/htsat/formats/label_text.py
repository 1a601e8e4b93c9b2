"""What all readers of strong labels share: the text of a file, times, and errors that name the line."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from htsat.errors import DataError
from htsat.formats.bounded import file_bytes
from htsat.scores import FrequencyBand, MarkedEvent, SoundEvent

THIS_RECORDING = ""
"""How events are named whose file does not say which recording it is about."""

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NO_TEXT = re.compile(r"[\udc80-\udcff]")
_DECIMAL_COMMA = re.compile(r"\s*\d*,\d+\s*", flags=re.ASCII)


def label_text(path: Path) -> str:
    """The text of a label file, UTF-8 or (with its mark) UTF-16; lines end with a line feed.

    Raises:
        DataError: when it cannot be read, is too large, or is in another encoding.
    """
    text = table_text(path)
    require_text(path, text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def table_text(path: Path) -> str:
    """The text of a table, which may name files whose names are no text; lines end as in the file.

    Raises:
        DataError: when it cannot be read or is too large.
    """
    content = file_bytes(path)
    if not content.startswith(_UTF16_MARKS):
        return content.decode("utf-8-sig", "surrogateescape")
    try:
        return content.decode("utf-16")
    except UnicodeDecodeError as error:
        raise _no_text(path, content.count(b"\n", 0, error.start)) from None


def require_text(path: Path, text: str) -> None:
    """Refuse what `table_text` lets pass in another encoding.

    Raises:
        DataError: naming file and line.
    """
    found = _NO_TEXT.search(text)
    if found is not None:
        raise _no_text(path, text.count("\n", 0, found.start()))


def _no_text(path: Path, n_lines_before: int) -> DataError:
    return DataError(f"{place(path, n_lines_before + 1)}: is neither UTF-8 nor UTF-16 text; save it as UTF-8")


def place(path: Path, line: int) -> str:
    """How messages name a line of a file, counted from 1."""
    return f"{path}, line {line}"


def seconds(text: str, where: str) -> float:
    """A time; the decimal point may be a comma.

    Raises:
        DataError: when it is no number.
    """
    try:
        return _number(text)
    except ValueError:
        raise DataError(f"{where}: onset and offset must be seconds, got {text!r:.80}") from None


def hertz(text: str, where: str) -> float:
    """A frequency; the decimal point may be a comma.

    Raises:
        DataError: when it is no number.
    """
    try:
        return _number(text)
    except ValueError:
        raise DataError(f"{where}: frequencies must be numbers of Hz, got {text!r:.80}") from None


def _number(text: str) -> float:
    return float(text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text)


def checked_band(low_hz: float, high_hz: float, where: str) -> FrequencyBand:
    """A band that can be one.

    Raises:
        DataError: for frequencies that do not follow each other.
    """
    if not 0 <= low_hz <= high_hz < float("inf"):
        raise DataError(f"{where}: expected 0 <= low <= high frequency, got {low_hz:g} and {high_hz:g} Hz")
    return FrequencyBand(low_hz, high_hz)


def checked_duration(duration_s: float, where: str) -> float:
    """How long a recording lasts, if it can.

    Raises:
        DataError: when it is no number, infinite or negative.
    """
    if not 0 <= duration_s < float("inf"):
        raise DataError(f"{where}: expected a duration of 0 s or more, got {duration_s:g}")
    return duration_s


def checked_event(
    label: str,
    onset_s: float,
    offset_s: float,
    where: str,
    probability: float = 1.0,
    band: FrequencyBand | None = None,
) -> SoundEvent:
    """An event that can be one.

    Raises:
        DataError: for times that do not follow each other, no label, or a probability outside 0 to 1.
    """
    label = label.strip()
    if not label or not 0 <= onset_s <= offset_s < float("inf"):
        raise DataError(
            f"{where}: expected 0 <= onset <= offset and a label, "
            f"got {onset_s:g}, {offset_s:g} and {label!r:.80}"
        )
    if not _is_text(label):
        raise DataError(f"{where}: the label {label!r:.80} is no text in UTF-8")
    if not 0 <= probability <= 1:
        raise DataError(f"{where}: expected a probability from 0 to 1, got {probability:g}")
    event = SoundEvent(label, onset_s, offset_s, probability)
    return event if band is None else MarkedEvent.of(event, band)


def _is_text(label: str) -> bool:
    """Whether it can be written: JSON can name halves of characters, and tables may be in other encodings."""
    try:
        label.encode()
    except UnicodeEncodeError:
        return False
    return True
