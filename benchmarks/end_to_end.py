"""`htsat detect` as users run it: an hour of sound, short files in every codec, and the cold start.

Usage: python benchmarks/end_to_end.py [--recordings FOLDER] [--hours 1] [--files 200] [--rounds 1]
       [--parts long codecs cold] [-o end_to_end.json]

Every run is a process of its own, from its start to its end, with all its defaults but those of the table:
time by the clock, and the memory that the process held at most.

- long: one FLAC of 44.1 kHz that joins the recordings of a folder, heard by the packaged model and by the
  paper's network with random weights (thresholds of 0.95, so that events are few), on every engine.
- codecs: a folder of files of 5 s each; files per second, the start of the process included.
- cold: one file of 10 s, the model in the package; the median of seven runs.

The default folder is that of the examples. In each round all take their turn one after the other; medians of
the rounds are told. What must be written is written before, by a process that has ended.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

# None of these loads anything large: a new process counts the memory of the one that started it.
from benchmark_models import EXAMPLES, SETTINGS, model_path, run_apart
from end_to_end_material import CODECS, COLD_S, SHORT_S, Material, write_material
from machine import machine, summary

PACKAGED, PAPER = "nano-esc50", "tiny"
N_COLD_ROUNDS = 7


class Run(NamedTuple):
    """One run of the command."""

    wall_s: float
    peak_mib: float
    n_events: int


@dataclass(frozen=True)
class Case:
    """What is run, and how much sound there is."""

    part: str
    title: str
    options: tuple[str, ...]
    audio_s: float
    n_files: int = 1


@dataclass(frozen=True)
class Result:
    """The runs of a case, and what follows from their medians."""

    case: Case
    runs: list[Run]

    @property
    def wall_s(self) -> float:
        return statistics.median(run.wall_s for run in self.runs)

    @property
    def peak_mib(self) -> float:
        return max(run.peak_mib for run in self.runs)

    def as_json(self) -> dict[str, object]:
        return {
            **asdict(self.case),
            "wall_s": self.wall_s,
            "times_real_time": self.case.audio_s / self.wall_s,
            "files_per_s": self.case.n_files / self.wall_s,
            "peak_mib": self.peak_mib,
            "runs": [run._asdict() for run in self.runs],
        }


def detect(options: tuple[str, ...]) -> Run:
    """Run the command from its start to its end."""
    command = [sys.executable, "-m", "htsat", "detect", "--format", "csv", *options]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        n_events = sum(1 for _ in process.stdout or ()) - 1
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{' '.join(command)}: ended with code {process.returncode}")
    return Run(wall_s, usage.ru_maxrss / 1024, n_events)


def measure(cases: list[Case], n_rounds: int) -> list[Result]:
    """Let all take a turn in every round."""
    rounds = [[_run(case) for case in cases] for _ in range(n_rounds)]
    return [Result(case, list(runs)) for case, runs in zip(cases, zip(*rounds, strict=True), strict=True)]


def _run(case: Case) -> Run:
    print(f"{case.part}: {case.title} ", file=sys.stderr, flush=True)
    return detect(case.options)


def long_cases(folder: Path, args: argparse.Namespace) -> Iterator[Case]:
    """The long recording on every engine, in every precision, with and without overlap."""
    settings = [
        (engine, precision)
        for engine, precision in SETTINGS
        if engine in args.engines and precision in args.precisions
    ]
    for name in (PACKAGED, PAPER):
        for engine, precision in settings:
            path = model_path(folder, name, engine, precision)
            options = [str(folder / "long.flac"), "--model", str(path), "--engine", engine]
            if precision != "int8":
                options += ["--precision", precision]
            for overlap in args.overlaps:
                title = f"{name}, {engine} {precision}, overlap {overlap:g}"
                yield Case("long", title, (*options, "--overlap", str(overlap)), args.hours * 3600)


def codec_cases(folder: Path, n_files: int) -> Iterator[Case]:
    """The folder of each codec, with the packaged model."""
    for codec in CODECS:
        yield Case("codecs", codec, (str(folder / codec),), n_files * SHORT_S, n_files)


def cold_cases(folder: Path, engines: list[str]) -> Iterator[Case]:
    """One short file, with the packaged model."""
    for engine in ("auto", *engines):
        yield Case("cold", engine, (str(folder / "cold.wav"), "--engine", engine), COLD_S)


def material(args: argparse.Namespace) -> Material:
    """What the parts that are asked for need."""
    has_long = "long" in args.parts
    return Material(
        recordings=args.recordings,
        long_s=args.hours * 3600 if has_long else 0.0,
        n_short=args.files if "codecs" in args.parts else 0,
        models=[PACKAGED, PAPER] if has_long else [],
    )


def show(results: list[Result]) -> None:
    print(
        f"{'part':7} {'what':42} {'wall s':>8} {'x real time':>11} "
        f"{'files/s':>8} {'peak MiB':>8} {'events':>7}"
    )
    for one in results:
        case = one.case
        print(
            f"{case.part:7} {case.title:42} {one.wall_s:8.2f} {case.audio_s / one.wall_s:11.0f} "
            f"{case.n_files / one.wall_s:8.2f} {one.peak_mib:8.0f} {one.runs[0].n_events:7}"
        )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=Path, default=EXAMPLES, help="folder of the sounds to join")
    parser.add_argument("--hours", type=float, default=1.0, help="length of the long recording")
    parser.add_argument("--overlaps", type=float, nargs="+", default=[0.5, 0.0], help="of the long recording")
    parser.add_argument("--files", type=int, default=200, help="in each codec")
    parser.add_argument("--rounds", type=int, default=1, help="of the long recording and the codecs")
    engines = list(dict.fromkeys(engine for engine, _ in SETTINGS))
    precisions = list(dict.fromkeys(precision for _, precision in SETTINGS))
    parser.add_argument("--engines", nargs="+", choices=engines, default=engines)
    parser.add_argument("--precisions", nargs="+", choices=precisions, default=precisions)
    parts = ("long", "codecs", "cold")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--quick", action="store_true", help="see that it works: half a minute, two files")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    if args.quick:
        args.hours, args.overlaps, args.files, args.rounds = 1 / 120, [0.0], 2, 1
    return args


def main() -> None:
    args, facts = parse(), machine()
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_apart(write_material, folder, material(args))
        cases = {
            "long": (long_cases(folder, args), args.rounds),
            "codecs": (codec_cases(folder, args.files), args.rounds),
            "cold": (cold_cases(folder, args.engines), 1 if args.quick else N_COLD_ROUNDS),
        }
        for part in args.parts:
            of_part, n_rounds = cases[part]
            results += measure(list(of_part), n_rounds)
    print(summary(facts))
    show(results)
    if args.output:
        content = {"machine": facts, "results": [one.as_json() for one in results]}
        args.output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
