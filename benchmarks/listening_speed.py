"""Listening: our sizes on every engine, beside `transformers`' CLAP audio encoder and AST.

Usage: python benchmarks/listening_speed.py [--threads 1 2] [--batch-sizes 1 16] [--rounds 15] [--compiled]
       [--picture speed.png] [-o speed.json]

From the waveform to probabilities, so with the spectrum; that of CLAP and AST is made by their extractors
(numpy, in the same process). Weights are random, from a seed, the sound is the example scene. Ours are
exported into a temporary folder first; int8 is calibrated with the other examples.

Every contestant is a process of its own that stays for all rounds, so that pools of threads do not meet; with
as many threads as are told, one process at a time works. In each round all take a turn one after the other:
one call that is not measured and one that is. AST, which takes a second for a clip, listens to one clip at a
time, in the first rounds only. "x CLAP" is the median over rounds of the time of CLAP in float32 by that of
the contestant, per clip (10 s; 5 s of nano), at the same batch and threads. The difference is the largest of
any probability to that of the same network in float32 on torch. A contestant whose scores are not those of
its network does not take part; the table says why.

PANNs' Cnn14 is left out: the package that has it needs librosa, numba and torchlibrosa.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from benchmark_models import SETTINGS, run_apart, write_models
from listening_contestants import Contestant, FloatArray, Worker, workers
from machine import machine, summary

N_SLOW_ROUNDS = 3


@dataclass(frozen=True)
class Result:
    """A contestant at one size of batch."""

    contestant: Contestant
    batch_size: int
    seconds: list[float]
    """Of each round, for the whole batch."""
    times_clap: float | None
    """How often it listens while CLAP listens once; None where CLAP does not take part."""
    largest_difference: float | None
    """Of a probability, to the same network on torch in float32; None where that does not take part."""

    @property
    def quartiles_ms(self) -> tuple[float, float, float]:
        """Per clip; the second is the median."""
        values = np.percentile(self.seconds, [25, 50, 75]) / self.batch_size * 1000
        return float(values[0]), float(values[1]), float(values[2])


class Record:
    """What one contestant did at one size of batch, round by round."""

    def __init__(self, worker: Worker, batch_size: int) -> None:
        self.worker, self.batch_size = worker, batch_size
        self.seconds: list[float] = []
        self.probabilities: FloatArray

    def listen(self) -> None:
        """Take the turn of this round."""
        if not self.worker.contestant.is_slow or len(self.seconds) < N_SLOW_ROUNDS:
            turn = self.worker.ask(self.batch_size)
            self.seconds.append(turn.seconds)
            self.probabilities = turn.probabilities


class Group:
    """All that contestants with the same number of threads did."""

    def __init__(self, ready: list[Worker], batch_sizes: list[int]) -> None:
        self.records = [
            Record(worker, size)
            for size in batch_sizes
            for worker in ready
            if size in worker.contestant.batch_sizes(batch_sizes)
        ]

    def run(self, n_rounds: int) -> None:
        """Let everybody take a turn in every round."""
        for number in range(n_rounds):
            print(f"\rround {number + 1} of {n_rounds} ", end="", file=sys.stderr, flush=True)
            for record in self.records:
                record.listen()
        print(file=sys.stderr)

    def results(self) -> list[Result]:
        """Everybody beside CLAP and beside itself on torch, both at the same batch."""
        return [
            Result(
                record.worker.contestant,
                record.batch_size,
                record.seconds,
                self._times_clap(record),
                self._difference(record),
            )
            for record in self.records
        ]

    def _times_clap(self, record: Record) -> float | None:
        clap = self._exact("CLAP", record.batch_size)
        if clap is None:
            return None
        n_both = len(record.seconds)
        return float(np.median(np.divide(clap.seconds[:n_both], record.seconds)))

    def _difference(self, record: Record) -> float | None:
        exact = self._exact(record.worker.contestant.name, record.batch_size)
        if exact is None:
            return None
        return float(np.abs(record.probabilities - exact.probabilities).max())

    def _exact(self, name: str, batch_size: int) -> Record | None:
        """The same network on torch, as it is, in float32; None where it does not take part."""
        for record in self.records:
            contestant = record.worker.contestant
            is_plain = contestant.engine in ("torch", "transformers") and not contestant.compiled
            is_exact = is_plain and contestant.precision == "fp32"
            if is_exact and (contestant.name, record.batch_size) == (name, batch_size):
                return record
        return None


def contestants(args: argparse.Namespace, n_threads: int) -> list[Contestant]:
    """All that is asked for, with so many threads."""
    found = [
        Contestant(name, "transformers", precision, n_threads)
        for name in args.peers
        for precision in ("fp32", "bf16")
    ]
    for size in args.sizes:
        found += [Contestant(size, *setting, n_threads) for setting in SETTINGS if setting[0] in args.engines]
        if args.compiled:
            found += [Contestant(size, "torch", kind, n_threads, compiled=True) for kind in ("fp32", "bf16")]
    return found


def show(results: list[Result], refused: dict[Contestant, str]) -> None:
    """A table for each number of threads and clips, the fastest first."""
    for n_threads, batch_size in dict.fromkeys((one.contestant.n_threads, one.batch_size) for one in results):
        print(f"\n{n_threads} thread{'s' * (n_threads > 1)}, batch {batch_size}")
        print(
            f"{'network':8} {'clip s':>6} {'engine':15} {'precision':9} {'ms/clip':>8} {'quartiles':>17} "
            f"{'x CLAP':>7} {'difference':>10}"
        )
        same = [
            one for one in results if (one.contestant.n_threads, one.batch_size) == (n_threads, batch_size)
        ]
        for one in sorted(same, key=lambda one: one.quartiles_ms[1]):
            print(_line(one))
    for contestant, problem in refused.items():
        print(f"{contestant.name} {contestant.title} {contestant.precision}: {problem}")


def _line(one: Result) -> str:
    contestant, (first, median, third) = one.contestant, one.quartiles_ms
    times_clap = "-" if one.times_clap is None else f"{one.times_clap:.2f}"
    difference = "-" if one.largest_difference is None else f"{one.largest_difference:.1g}"
    return (
        f"{contestant.name:8} {contestant.clip_s:6.0f} {contestant.title:15} {contestant.precision:9} "
        f"{median:8.1f} {first:8.1f}-{third:8.1f} {times_clap:>7} {difference:>10}"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=("tiny", "nano"), default=["tiny", "nano"])
    parser.add_argument("--peers", nargs="*", choices=("CLAP", "AST"), default=["CLAP", "AST"])
    engines = list(dict.fromkeys(engine for engine, _ in SETTINGS))
    parser.add_argument("--engines", nargs="+", choices=engines, default=engines)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--compiled", action="store_true", help="also torch with a compiled network")
    parser.add_argument("--quick", action="store_true", help="see that it works: nano, CLAP, one round")
    parser.add_argument("--picture", type=Path, help="bars of every contestant, with the most threads")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    if args.quick:
        args.sizes, args.peers, args.batch_sizes, args.threads, args.rounds = (
            ["nano"],
            ["CLAP"],
            [1, 2],
            [1],
            1,
        )
    return args


def main() -> None:
    args, facts = parse(), machine()
    results: list[Result] = []
    refused: dict[Contestant, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        run_apart(write_models, args.sizes, Path(folder))
        for n_threads in args.threads:
            with workers(contestants(args, n_threads), Path(folder), args.batch_sizes) as (ready, problems):
                group = Group(ready, args.batch_sizes)
                group.run(args.rounds)
            results += group.results()
            refused |= problems
    print(summary(facts))
    show(results, refused)
    if args.picture:
        from listening_picture import draw

        draw(args.picture, [one for one in results if one.contestant.n_threads == max(args.threads)])
    if args.output:
        rows = [
            {**asdict(one), "clip_s": one.contestant.clip_s, "quartiles_ms": one.quartiles_ms}
            for one in results
        ]
        left_out = [{**asdict(contestant), "problem": problem} for contestant, problem in refused.items()]
        content = {"machine": facts, "results": rows, "refused": left_out}
        args.output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
