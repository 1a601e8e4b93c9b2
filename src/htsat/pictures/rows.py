"""How a recording of any length is laid out in rows that can be read, and how times are written.

A recording of up to two minutes is one row; of a longer one at most twelve rows show a round length each.
"""

from __future__ import annotations

import math
from typing import NamedTuple

MAX_ROWS = 12
_ONE_ROW_S = 120.0
_ROUND_S = (30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200)
_STEPS_S = (
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    20,
    30,
    60,
    120,
    300,
    600,
    1200,
    1800,
    3600,
    7200,
    14400,
    43200,
    86400,
)
_MOST_STEPS = 12


class Rows(NamedTuple):
    """So many rows of `row_s` seconds each; the last one may be longer than what is left."""

    row_s: float
    n_rows: int

    @classmethod
    def of(cls, duration_s: float) -> Rows:
        """The rows in which a recording is readable."""
        if duration_s <= _ONE_ROW_S:
            return cls(duration_s, 1)
        longest = math.ceil(duration_s / MAX_ROWS)
        row_s = next((row_s for row_s in _ROUND_S if row_s >= longest), 3600 * math.ceil(longest / 3600))
        return cls(float(row_s), math.ceil(duration_s / row_s))


def step_of(row_s: float) -> float:
    """How far apart the times stand that are written below a row."""
    return next((step for step in _STEPS_S if row_s / step <= _MOST_STEPS), row_s / _MOST_STEPS)


def exact_clock(time_s: float) -> str:
    """A time in a long recording, to a tenth of a second."""
    written = clock(time_s)
    return written if "." in written else f"{written}.0"


def clock(time_s: float) -> str:
    """A time in a long recording: `1:02:03`, or `2:03` within the first hour; with tenths if there are."""
    minutes, seconds = divmod(round(time_s, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    whole = f"{int(seconds):02d}" if seconds == int(seconds) else f"{seconds:04.1f}"
    return f"{hours}:{minutes:02d}:{whole}" if hours else f"{minutes}:{whole}"
