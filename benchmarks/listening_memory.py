"""Peak memory and speed of `htsat detect` on recordings of 1 minute, 1 hour and 24 hours.

Usage: python benchmarks/listening_memory.py [--hours 0.0167 1 24] [-o memory.json]

Each recording is the example scene over and over, as a 16 kHz FLAC file, heard by a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch
from machine import processor

from htsat.audio import load_audio

SCENE = Path(__file__).parent.parent / "examples" / "scene.ogg"
SAMPLE_RATE = 16_000


class Measurement(NamedTuple):
    """One run of the command."""

    hours: float
    peak_mib: float
    wall_s: float
    times_real_time: float
    n_events: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, nargs="+", default=[1 / 60, 1.0, 24.0])
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    measurements = [measure(hours) for hours in args.hours]
    print(f"{'hours':>8} {'peak MiB':>9} {'wall s':>8} {'x real time':>12} {'events':>7}")
    for one in measurements:
        print(
            f"{one.hours:8.3f} {one.peak_mib:9.0f} {one.wall_s:8.1f} "
            f"{one.times_real_time:12.0f} {one.n_events:7d}"
        )
    if args.output:
        machine = {"processor": processor(), "cores": os.cpu_count(), "torch": torch.__version__}
        runs = [one._asdict() for one in measurements]
        args.output.write_text(json.dumps({"machine": machine, "runs": runs}, indent=2) + "\n")


def measure(hours: float) -> Measurement:
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "long.flac"
        write_recording(recording, hours * 3600)
        command = [sys.executable, "-m", "htsat", "detect", str(recording), "--format", "csv"]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            n_events = sum(1 for _ in process.stdout) - 1
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"htsat detect failed with code {process.returncode}")
    return Measurement(hours, usage.ru_maxrss / 1024, wall_s, hours * 3600 / wall_s, n_events)


def write_recording(path: Path, duration_s: float) -> None:
    scene = load_audio(SCENE, SAMPLE_RATE)
    n_missing = round(duration_s * SAMPLE_RATE)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
        while n_missing > 0:
            file.write(scene[:n_missing])
            n_missing -= len(scene)


if __name__ == "__main__":
    main()
