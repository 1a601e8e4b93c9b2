"""Time and memory of search in an index of a million moments, exact and approximate.

Usage: python benchmarks/search_speed.py [--rows 1000000] [--folder /tmp/search] [--approximate] [-o JSON]

The vectors are made up: as many values as those of the packaged model, recordings of ten moments, in clusters
that stand for kinds of sounds; one in 500 is a copy of the one before it. Every search runs in a process of
its own; its time is that of one query in an index that is open, with the files in the system's cache, its
memory the most that the process ever held. What an earlier run has written to the folder is used again.
`--approximate` needs the extra `ann`; recall is the share of the exact ten nearest that it finds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

from htsat.formats.embeddings import FORMATS, EmbeddedRecording, Origin
from htsat.search import Hit, Index, Per, approximate, pairs

DIM = 384
N_CLUSTERS = 2000
MOMENTS = 10
N_QUERIES = 20
N_ROWS_FOR_PAIRS = 50_000
PERS: tuple[Per, ...] = ("recording", "moment")
CENTRES = np.random.default_rng(0).standard_normal((N_CLUSTERS, DIM), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/search"))
    parser.add_argument("--approximate", action="store_true")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        what, path = args.measure
        print(json.dumps(MEASUREMENTS[what](Path(path), args.rows)))
        return
    tasks = [("write", "a.parquet"), ("write", "a.npy"), ("exact", "a.parquet"), ("exact", "a.npy")]
    tasks += [("write_small", "small.parquet"), ("pairs", "small.parquet")]
    tasks += [("build", "a.parquet"), ("approximate", "a.parquet")] if args.approximate else []
    tasks = [(what, name) for what, name in tasks if "write" not in what or not (args.folder / name).exists()]
    results = [measured(what, args.folder / name, args.rows) for what, name in tasks]
    if args.output:
        document = {"machine": machine(), "n_rows": args.rows, "results": results}
        args.output.write_text(json.dumps(document, indent=2) + "\n")


def measured(what: str, path: Path, n_rows: int) -> dict[str, Any]:
    """What a process of its own measures."""
    command = [sys.executable, __file__, "--rows", str(n_rows), "--measure", what, str(path)]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    result = {"what": what, "file": path.name, **result}
    print(
        "  ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in result.items()
        )
    )
    return result


def write(path: Path, n_rows: int) -> dict[str, float]:
    rng = np.random.default_rng(1)
    origin = Origin("made up", "0" * 64, "clip", 5.0, 0.5, (0.0,) * DIM, "0")
    starts_s = 2.5 * np.arange(MOMENTS)
    vectors = sounds(rng)
    began = time.perf_counter()
    with FORMATS[path.suffix](path, origin) as write_one:
        for number in range(n_rows // MOMENTS):
            vectors = vectors if number % 500 == 499 else sounds(rng)
            write_one(EmbeddedRecording(f"recordings/{number // 1000}/{number}.flac", vectors, starts_s))
    return {"s": time.perf_counter() - began, "file_mb": path.stat().st_size / 1e6}


def sounds(rng: np.random.Generator) -> np.ndarray:
    """The moments of a recording, of a few kinds of sounds."""
    kinds = rng.integers(0, N_CLUSTERS, 3)[rng.integers(0, 3, MOMENTS)]
    return CENTRES[kinds] + 0.6 * rng.standard_normal((MOMENTS, DIM), np.float32)


def queries() -> np.ndarray:
    rng = np.random.default_rng(2)
    return np.concatenate([sounds(rng) for _ in range(N_QUERIES // MOMENTS)])


def exact(path: Path, _: int) -> dict[str, float]:
    index = Index.open(path)
    wall_s, cpu_s = fastest(lambda: index.nearest(queries()[:1], 10))
    peak = peak_mb()
    began = time.perf_counter()
    index.nearest_to_each(queries(), 10)
    return {"s": wall_s, "cpu_s": cpu_s, "peak_mb": peak, "20_queries_s": time.perf_counter() - began}


def all_pairs(path: Path, _: int) -> dict[str, float]:
    began = time.perf_counter()
    found = pairs(Index.open(path), 0.9, 1000)
    return {
        "n_rows": N_ROWS_FOR_PAIRS,
        "n_found": len(found),
        "s": time.perf_counter() - began,
        "peak_mb": peak_mb(),
    }


def build(path: Path, _: int) -> dict[str, float]:
    index = Index.open(path)
    began = time.perf_counter()
    approximate.build(index, lambda n_rows: None)
    file_mb = approximate.graph_path(index).stat().st_size / 1e6
    return {"s": time.perf_counter() - began, "file_mb": file_mb, "peak_mb": peak_mb()}


def nearly(path: Path, _: int) -> dict[str, float]:
    index = Index.open(path)
    wall_s, cpu_s = fastest(lambda: approximate.nearest(index, queries()[:1], 10))
    result = {"s": wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb()}
    for per in PERS:
        expected = index.nearest_to_each(queries(), 10, per)
        found = [approximate.nearest(index, query[np.newaxis], 10, per) for query in queries()]
        shares = [overlap(a, b) for a, b in zip(expected, found, strict=True)]
        result[f"recall_per_{per}"] = float(np.mean(shares))
    return result


def overlap(expected: list[Hit], found: list[Hit]) -> float:
    """The share of what was expected that was found."""
    return len({hit[:2] for hit in expected} & {hit[:2] for hit in found}) / len(expected)


def fastest(use: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the fastest of three, and of the processor, which other work on the machine moves less."""
    times = []
    for _ in range(3):
        began, cpu_began = time.perf_counter(), time.process_time()
        use()
        times.append((time.perf_counter() - began, time.process_time() - cpu_began))
    return min(times)


def peak_mb() -> float:
    """The most memory that this process held so far (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1e3


MEASUREMENTS = {
    "write": write,
    "write_small": lambda path, _: write(path, N_ROWS_FOR_PAIRS),
    "exact": exact,
    "pairs": all_pairs,
    "build": build,
    "approximate": nearly,
}


if __name__ == "__main__":
    main()
