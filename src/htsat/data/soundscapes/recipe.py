"""How soundscapes are made: every setting, each with its unit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from htsat.data.encoding import rate_for
from htsat.data.soundscapes.activity import Activity
from htsat.errors import ConfigError


@dataclass(frozen=True)
class Range:
    """Values that can be drawn, from the lowest to the highest."""

    low: float
    high: float

    def draw(self, random: np.random.Generator) -> float:
        """A value between them, each equally likely."""
        return float(random.uniform(self.low, self.high))

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is drawn for every recording, and from where.

    Raises:
        ConfigError: when a value is out of range.
    """

    duration_s: float = 10.0
    sample_rate: int = 32_000
    seed: int = 0
    n_events: Range = Range(1, 5)
    """Events of a recording."""
    snr_db: Range = Range(6.0, 30.0)
    """Mean power of an event from onset to offset against that of the background meanwhile."""
    max_overlap: int = 2
    """Events that may sound at once; those of one class never do."""
    longest_s: Range = Range(2.0, 6.0)
    """A longer sound is cut, each time to a length drawn from here."""
    fade_s: float = 0.01
    background_db: Range = Range(-50.0, -35.0)
    """Mean power of the background against full scale."""
    reverberation: float = 0.0
    """Share of the events that are heard in a room."""
    rt60_s: Range = Range(0.2, 0.8)
    """Time in which the reverberation of a recording's room falls by 60 dB."""
    n_groups: int | None = None
    """Sources are dealt into so many, and a recording is made of one. None: up to five."""
    activity: Activity = field(default_factory=Activity)

    def __post_init__(self) -> None:
        rate_for("flac", self.sample_rate)
        _check_range("events", self.n_events, 1, 1000)
        _check_range("SNR", self.snr_db, -60, 100)
        _check_range("longest", self.longest_s, self.activity.shortest_s, math.inf)
        _check_range("background", self.background_db, -90, 0)
        _check_range("RT60", self.rt60_s, 0.05, 10)
        _check("duration", self.duration_s, self.activity.shortest_s, 3600)
        _check("fade", self.fade_s, 0, 1)
        _check("reverberation", self.reverberation, 0, 1)
        _check("overlap", self.max_overlap, 1, 1000)
        _check("seed", self.seed, 0, math.inf)
        _check("groups", self.n_groups or 1, 1, math.inf)
        if self.n_events.low % 1 or self.n_events.high % 1:
            raise ConfigError(f"events: expected whole numbers, got {self.n_events}")

    @property
    def n_samples(self) -> int:
        """Length of every recording."""
        return round(self.duration_s * self.sample_rate)

    @property
    def fade_samples(self) -> int:
        """Length of every fade."""
        return round(self.fade_s * self.sample_rate)


def _check_range(name: str, values: Range, least: float, most: float) -> None:
    if values.low > values.high:
        raise ConfigError(f"{name}: a range goes from low to high, got {values}")
    for value in (values.low, values.high):
        _check(name, value, least, most)


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most or math.isinf(value):
        bounds = f"at least {least:g}" if math.isinf(most) else f"{least:g} to {most:g}"
        raise ConfigError(f"{name}: expected {bounds}, got {value:g}")
