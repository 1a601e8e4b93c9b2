"""Six hours of sound with known events through `htsat listen`, as fast as it hears."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from service_load import EXAMPLES
from soak_watch import Watch, growth, thinned

from htsat.audio import load_audio
from htsat.formats import dcase

RATE = 32_000
HOUR_S = 3600.0
APART_S = 60.0
PLANTED = ("church_bells", "dog", "door_wood_knock", "crying_baby", "rooster", "clock_alarm")
"""Sounds of `examples/scene.ogg` that the packaged model knows."""
NOISE = 0.0005
NEAR_S = 2.0
"""What is found begins so near to what was planted."""


class Planted(NamedTuple):
    """A sound in the hour, in seconds of it."""

    label: str
    onset_s: float
    offset_s: float


class Found(NamedTuple):
    """An event that was reported, in seconds of the stream."""

    label: str
    onset_s: float
    offset_s: float
    probability: float

    @property
    def hour(self) -> int:
        return int(self.onset_s // HOUR_S)

    @property
    def in_hour(self) -> tuple[str, float, float, float]:
        """The same, in seconds of its hour."""
        start_s = self.hour * HOUR_S
        return (
            self.label,
            round(self.onset_s - start_s, 4),
            round(self.offset_s - start_s, 4),
            self.probability,
        )


def soak_listen(hours: float) -> dict[str, Any]:
    """Let it hear the same hour again and again; what was found, hour by hour, and what the process took."""
    samples, planted = an_hour()
    n_samples = round(hours * HOUR_S * RATE)
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "events.csv")
        watch, wall_s = _listened(_blocks(samples, n_samples), output, Path(folder))
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
    found = [
        Found(row["label"], float(row["onset"]), float(row["offset"]), float(row["probability"]))
        for row in rows
    ]
    hourly = [[event for event in found if event.hour == hour] for hour in range(int(hours))]
    return {
        "hours": hours,
        "wall_s": round(wall_s, 1),
        "times_real_time": round(hours * HOUR_S / wall_s, 1),
        "planted_per_hour": len(planted),
        "found_per_hour": [
            sum(is_found(one, events, hour) for one in planted) for hour, events in enumerate(hourly)
        ],
        "reported_per_hour": [len(events) for events in hourly],
        "differ_from_first_hour": [_n_differing(hourly[0], events) for events in hourly],
        "growth_mib_per_hour": growth(watch.samples, HOUR_S),
        "peak_mib": max(sample.rss_mib for sample in watch.samples),
        "before": watch.samples[0]._asdict(),
        "after": watch.samples[-1]._asdict(),
        "samples": thinned(watch.samples),
    }


def an_hour(seed: int = 0) -> tuple[NDArray[np.int16], list[Planted]]:
    """An hour of faint noise in which the scene is heard every minute, from a time that is drawn."""
    dice = np.random.default_rng(seed)
    scene = load_audio(EXAMPLES / "scene.ogg", RATE)
    events = [
        event for event in dcase.read_events(EXAMPLES / "scene.tsv")["scene.ogg"] if event.label in PLANTED
    ]
    hour = NOISE * dice.standard_normal(round(HOUR_S * RATE)).astype(np.float32)
    planted = []
    for minute_s in np.arange(0.0, HOUR_S, APART_S):
        start = round((minute_s + dice.uniform(0.0, APART_S - len(scene) / RATE)) * RATE)
        hour[start : start + len(scene)] += scene
        start_s = start / RATE
        planted += [Planted(e.label, e.onset_s + start_s, e.offset_s + start_s) for e in events]
    return (hour.clip(-1, 1) * 32_767).astype("<i2"), planted


def is_found(one: Planted, events: list[Found], hour: int) -> bool:
    """Whether an event of its class is where it was planted."""
    onset_s, offset_s = one.onset_s + hour * HOUR_S, one.offset_s + hour * HOUR_S
    return any(
        event.label == one.label
        and abs(event.onset_s - onset_s) <= NEAR_S
        and event.offset_s > onset_s
        and event.onset_s < offset_s
        for event in events
    )


def _n_differing(first: list[Found], events: list[Found]) -> int:
    """Events that one of two hours has and the other has not, by class, times and probability.

    A few at the ends of the stream differ: nothing is heard before the first hour, nothing after the last.
    """
    return len({event.in_hour for event in first} ^ {event.in_hour for event in events})


def _blocks(hour: NDArray[np.int16], n_samples: int) -> Iterator[bytes]:
    """The hour again and again, a second at a time."""
    for start in range(0, n_samples, RATE):
        begin = start % len(hour)
        yield hour[begin : begin + min(RATE, n_samples - start)].tobytes()


def _listened(blocks: Iterator[bytes], output: Path, folder: Path) -> tuple[Watch, float]:
    """Pipe it into the command; a sample of the process for every minute of sound."""
    began_s = time.perf_counter()
    command = [sys.executable, "-m", "htsat", "listen", "--format", "csv"]
    with output.open("wb") as file, subprocess.Popen(command, stdin=-1, stdout=file) as process:
        sent_s = 0.0
        watch = Watch(process.pid, folder, lambda: sent_s)
        for block in blocks:
            process.stdin.write(block)
            sent_s += len(block) / 2 / RATE
            if sent_s % 60 == 0:
                watch.look()
        process.stdin.close()
        if process.wait():
            sys.exit(f"htsat listen failed: {process.returncode}")
    return watch, time.perf_counter() - began_s
