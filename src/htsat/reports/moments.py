"""When recordings were made: from their names, or from when their files were last written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

_DATE = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d{2})[-_.]?(?P<month>\d{2})[-_.]?(?P<day>\d{2})[T_ .-]{0,2}"
    r"(?P<hour>\d{2})[-_:.h]?(?P<minute>\d{2})(?:[-_:.m]?(?P<second>\d{2}))?(?!\d)"
)
"""`20240601_053000`, `2024-06-01T05.30.00`, `20240601-0530` and the like, anywhere in a name."""

_HEXADECIMAL = re.compile(r"[0-9A-F]{8}")
_YEARS = range(2014, 2050)
"""In which eight hexadecimal digits, as the first AudioMoths name their files, may be a time."""


class Moment(NamedTuple):
    """When a recording began, in the time of whoever named it, or when its file was last written."""

    time: datetime
    is_named: bool


def moment_of(path: Path) -> Moment | None:
    """When a recording was made; None where its name does not tell and there is no such file."""
    named = _named(path.stem)
    if named is not None:
        return Moment(named, is_named=True)
    try:
        written = path.stat().st_mtime
    except OSError:
        return None
    return Moment(datetime.fromtimestamp(written), is_named=False)


def about(moments: Sequence[Moment | None]) -> str:
    """Where the times of recordings come from, in words."""
    n_named = sum(moment is not None and moment.is_named for moment in moments)
    n_written = sum(moment is not None and not moment.is_named for moment in moments)
    written = "when the file was last written: mostly the end of the recording, or when it was copied"
    if not n_written:
        return "Times are those in the names of the recordings."
    if not n_named:
        return f"The names of the recordings hold no times; used is {written}."
    return f"Times are those in the names of {n_named:,} recordings; of {n_written:,} others {written}."


def _named(stem: str) -> datetime | None:
    for match in _DATE.finditer(stem):
        try:
            return datetime(*(int(digits or 0) for digits in match.groups()))  # type: ignore[arg-type]
        except ValueError:
            continue
    if _HEXADECIMAL.fullmatch(stem):
        time = datetime.fromtimestamp(int(stem, 16), UTC).replace(tzinfo=None)
        return time if time.year in _YEARS else None
    return None
