"""Time and memory of PSDS1 and PSDS2 at the size of AudioSet-strong: 15,000 recordings of 10 s, 400 classes.

Usage: python benchmarks/psds_scale.py [--recordings 1500 5000 15000] [--classes 400] [-o psds.json]

The scores are made up while they are asked for (250 frames of 40 ms: slow noise, louder in some recordings
than in others, raised where a class is true and sometimes where it is not), so nothing large lies on disk.
What making them takes is measured on its own and is a part of the time of PSDS too, which asks twice. Each
measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from machine import processor
from numpy.typing import NDArray

from htsat.metrics.event_table import EventTable
from htsat.metrics.psds import PSDS1, PSDS2, psds
from htsat.scores import FrameGrid

SETTINGS = {"psds1": PSDS1, "psds2": PSDS2}
N_FRAMES, FRAME_S = 250, 0.04
N_NOISES, EVENTS_PER_RECORDING = 32, 9


class Measurement(NamedTuple):
    """One metric at one size."""

    metric: str
    n_recordings: int
    n_classes: int
    value: float
    wall_s: float
    cpu_s: float
    making_scores_s: float
    peak_mb: float


class MadeUp(NamedTuple):
    """Scores of one recording."""

    probabilities: NDArray[np.float32]
    grid: FrameGrid


class MadeUpScores:
    """Scores of any number of recordings; the same every time."""

    def __init__(self, n_recordings: int, n_classes: int) -> None:
        random = np.random.default_rng(0)
        noise = random.standard_normal((N_NOISES, N_FRAMES + 25, n_classes), dtype=np.float32)
        sums = np.cumsum(noise, axis=1)
        self.noises = (sums[:, 25:] - sums[:, :-25]) / 5 + 0.1 * noise[:, 25:]
        self.grid = FrameGrid.regular(N_FRAMES, FRAME_S, N_FRAMES * FRAME_S)
        self.n_recordings, self.n_classes = n_recordings, n_classes
        self.truth = self._truth(random)
        self.first_events = np.searchsorted(self.truth.recordings, np.arange(n_recordings + 1))

    def _truth(self, random: np.random.Generator) -> EventTable:
        n_events = self.n_recordings * EVENTS_PER_RECORDING
        onsets_s, offsets_s = np.sort(random.random((2, n_events)) * N_FRAMES * FRAME_S, axis=0)
        recordings = np.repeat(np.arange(self.n_recordings), EVENTS_PER_RECORDING)
        # A few classes are common: this is how AudioSet is.
        shares = 1 / np.arange(1, self.n_classes + 1)
        classes = random.choice(self.n_classes, n_events, p=shares / shares.sum())
        order = np.lexsort((onsets_s, classes, recordings))
        return EventTable(recordings, classes, onsets_s, offsets_s + 0.1).where(order).merged()

    def __len__(self) -> int:
        return self.n_recordings

    def __getitem__(self, index: int) -> MadeUp:
        random = np.random.default_rng(index)
        scores = np.roll(self.noises[index % N_NOISES], random.integers(self.n_classes), axis=1)
        scores += random.standard_normal(self.n_classes, dtype=np.float32)
        for number in range(*self.first_events[index : index + 2]):
            times_s = np.array([self.truth.onsets_s[number], self.truth.offsets_s[number]])
            first, last = np.rint((times_s + 0.2 * random.standard_normal(2)) / FRAME_S).astype(int)
            mistaken = random.integers(self.n_classes)
            for label, share in ((self.truth.classes[number], 9.0), (mistaken, 3.0)):
                scores[max(first, 0) : max(last, 0), label] += share * random.random()
        return MadeUp(scores, self.grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, nargs="+", default=[1500, 5000, 15000])
    parser.add_argument("--classes", type=int, default=400)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--measure", choices=SETTINGS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.recordings[0], args.classes)._asdict()))
        return
    print(
        f"{'metric':7} {'recordings':>10} {'classes':>8} {'value':>7} {'s':>7} {'CPU s':>7} "
        f"{'of it scores':>12} {'peak MB':>8}"
    )
    rows = list(measurements(args.recordings, args.classes))
    if args.output:
        facts = {"processor": processor(), "measurements": [one._asdict() for one in rows]}
        args.output.write_text(json.dumps(facts, indent=2) + "\n")


def measurements(sizes: list[int], n_classes: int) -> Iterator[Measurement]:
    for size in sizes:
        for metric in SETTINGS:
            command = [sys.executable, __file__, "--measure", metric]
            command += ["--recordings", str(size), "--classes", str(n_classes)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            one = Measurement(**json.loads(answer))
            print(
                f"{one.metric:7} {one.n_recordings:10} {one.n_classes:8} {one.value:7.4f} {one.wall_s:7.1f} "
                f"{one.cpu_s:7.1f} {2 * one.making_scores_s:12.1f} {one.peak_mb:8.0f}",
                flush=True,
            )
            yield one


def measure(metric: str, n_recordings: int, n_classes: int) -> Measurement:
    scores = MadeUpScores(n_recordings, n_classes)
    began = time.process_time()
    for index in range(0, n_recordings, 10):
        scores[index]
    making_s = 10 * (time.process_time() - began)
    durations_s = np.full(n_recordings, N_FRAMES * FRAME_S)
    began, began_cpu = time.perf_counter(), time.process_time()
    value = psds(scores, scores.truth, durations_s, SETTINGS[metric]).value
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measurement(metric, n_recordings, n_classes, value, wall_s, cpu_s, making_s, peak_mb)


if __name__ == "__main__":
    main()
