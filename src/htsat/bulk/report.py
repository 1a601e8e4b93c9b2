"""What a run tells at its end: which recordings failed, and how much was done how fast."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from htsat.bulk.journal import Failure, Tally
from htsat.files import atomic_path
from htsat.formats.csv_rows import csv_writer


class Summary(NamedTuple):
    """Counts over units. `heard_s` is None where results do not tell how long recordings are.

    `took_s` is the time of all processes together, those of earlier calls too.
    """

    n_recordings: int
    n_failed: int
    n_units: int
    heard_s: float | None
    took_s: float

    @classmethod
    def of(cls, tallies: Iterable[Tally]) -> Summary:
        """The sum of some units."""
        n_recordings, n_failed, n_units, took_s = 0, 0, 0, 0.0
        heard_s: float | None = 0.0
        for tally in tallies:
            n_recordings += tally.n_recordings
            n_failed += tally.n_failed
            n_units += 1
            took_s += tally.took_s
            heard_s = None if heard_s is None or tally.heard_s is None else heard_s + tally.heard_s
        return cls(n_recordings, n_failed, n_units, heard_s, took_s)

    @property
    def x_real_time(self) -> float | None:
        """Seconds of sound in a second."""
        return None if self.heard_s is None or not self.took_s else self.heard_s / self.took_s

    @property
    def recordings_per_s(self) -> float | None:
        """How many recordings in a second."""
        return self.n_recordings / self.took_s if self.took_s else None

    def document(self) -> dict[str, object]:
        """For a file."""
        return {
            "recordings": self.n_recordings,
            "failures": self.n_failed,
            "units": self.n_units,
            "hours": None if self.heard_s is None else round(self.heard_s / 3600, 4),
            "seconds": round(self.took_s, 3),
            "x_real_time": _rounded(self.x_real_time),
            "recordings_per_s": _rounded(self.recordings_per_s),
        }

    def __str__(self) -> str:
        """For people, in one line."""
        words = [f"{self.n_recordings} recordings"]
        if self.heard_s is not None:
            words.append(f"{self.heard_s / 3600:.2f} h")
        words.append(f"{self.n_failed} failed")
        if self.recordings_per_s is not None:
            words.append(f"{self.took_s:.0f} s")
            words.append(f"{self.recordings_per_s:.3g} recordings/s")
        if self.x_real_time is not None:
            words.append(f"{self.x_real_time:.3g} x real time")
        return ", ".join(words)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def write_failures(path: Path, failures: Iterable[Failure]) -> None:
    """Write the table of failures; without any it has a header alone."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        rows = csv_writer(file)
        rows.writerow(["file", "reason"])
        rows.writerows(failures)
