"""The columns of a timeline over recordings: stretches of time, or recordings in their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import NamedTuple

from htsat.reports.moments import Moment

_MOST_COLUMNS = 96
_STEPS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 10, 30, 60, 180, 360, 720, 1440, 10080, 43200)
)
_DAY = timedelta(days=1)


class Timeline(NamedTuple):
    """The columns, each with a name, and in which of them each recording begins.

    With `step` columns are so long, and events later in a recording may lie in later columns.
    """

    names: list[str]
    firsts: list[float]
    step: timedelta | None

    @classmethod
    def of(cls, names: Sequence[PurePath], moments: Sequence[Moment | None]) -> Timeline:
        """By time where all names hold one, else by the order of the recordings."""
        times = [moment.time for moment in moments if moment is not None and moment.is_named]
        if len(times) == len(names) and max(times) > min(times):
            return cls._by_time(times)
        n_together = -(-len(names) // _MOST_COLUMNS)
        starts = range(0, len(names), n_together)
        shown = [_range(names[start : start + n_together]) for start in starts]
        return cls(shown, [float(number // n_together) for number in range(len(names))], None)

    @classmethod
    def _by_time(cls, times: Sequence[datetime]) -> Timeline:
        length = max(times) - min(times)
        step = next((step for step in _STEPS if length / step < _MOST_COLUMNS - 1), length / _MOST_COLUMNS)
        begin = _floor(min(times), step)
        # One more column, for what lies late in the last recording.
        n_columns = math.floor((max(times) - begin) / step) + 2
        written = "%Y-%m-%d" if step >= _DAY else "%Y-%m-%d %H:%M"
        names = [(begin + number * step).strftime(written) for number in range(n_columns)]
        return cls(names, [(time - begin) / step for time in times], step)

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.names)

    def column(self, recording: int, onset_s: float) -> int:
        """The column of an event."""
        later = 0.0 if self.step is None else onset_s / self.step.total_seconds()
        return min(int(self.firsts[recording] + later), self.n_columns - 1)


def _floor(time: datetime, step: timedelta) -> datetime:
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (time - midnight) // step * step


def _range(names: Sequence[PurePath]) -> str:
    return str(names[0]) if len(names) == 1 else f"{names[0]} to {names[-1]}"
