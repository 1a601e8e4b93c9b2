"""A bulk run in one process, and the same on a Ray cluster on this machine: recordings per second and memory.

Usage: python benchmarks/bulk_cluster.py [--recordings 600] [--workers 1 2] [--folder DIR] [-o JSON]

Recordings of 10 s (FLAC, 44.1 kHz, made of `examples/scene.ogg` and noise) are tagged by the packaged model:
real decoding, the real network. Each run is a process of its own from its start to its end. The rate is that
between the records of the first and the last unit, so that what starts up is not in it; the time of all is
told beside it. Memory is the sum over all processes of a run (PSS: what several share counts once), sampled
five times a second; the largest sum is told, and of it what is not Ray's own: driver, workers, decoding.

Every process of a cluster is on this machine, with its cores: two workers on two cores cannot be faster than
one process with two threads. What is seen is what the way through the cluster costs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from machine import machine

from htsat.audio import load_audio
from htsat.files import sha256

SCENE = Path(__file__).parents[1] / "examples" / "scene.ogg"
SAMPLE_RATE, CLIP_S = 44_100, 10
SAMPLED_EVERY_S = 0.2
OWN = ("MapWorker", "_decode_in", "python")
"""Processes of ours, as Ray titles them: those that hold a network, those that decode, the driver."""

COMMAND = """
import sys
from htsat.bulk.units import Cutting
from htsat.cli import bulk_run
from htsat.cli.main import main

bulk_run.CUTTING = Cutting(32, 64)
sys.exit(main(sys.argv[1:]))
"""
"""The command, with units so small that a minute has many."""


@dataclass(frozen=True)
class Measured:
    """A run; `rate` is in recordings/s without what starts up, memory in MB."""

    run: str
    wall_s: float
    rate: float
    peak_mb: float
    peak_own_mb: float
    sha256: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=600)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, help="for recordings and results (default: a temporary one)")
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        write_recordings(Path(folder) / "recordings", args.recordings)
        results = [measure(Path(folder), name, options) for name, options in runs(args.workers)]
    if len({result.sha256 for result in results}) > 1:
        sys.exit("results differ")
    document = {
        "machine": machine(),
        "recordings": args.recordings,
        "seconds_each": CLIP_S,
        "results": [asdict(result) for result in results],
    }
    if args.output is not None:
        args.output.write_text(json.dumps(document, indent=2) + "\n")


def write_recordings(folder: Path, n: int) -> None:
    """Recordings that differ, so that no cache helps."""
    folder.mkdir()
    scene = load_audio(SCENE, SAMPLE_RATE)
    sound = np.resize(scene, CLIP_S * SAMPLE_RATE)
    for number in range(n):
        noise = np.random.default_rng(number).normal(0, 0.01, len(sound)).astype(np.float32)
        mixed = np.clip(np.roll(sound, number * 7919) + noise, -1, 1)
        soundfile.write(folder / f"{number:05d}.flac", mixed, SAMPLE_RATE)


def runs(workers: list[int]) -> Iterator[tuple[str, list[str]]]:
    """Each network has one thread, so that all round alike."""
    yield "one process", ["--resume"]
    for n in workers:
        yield f"Ray, {n} worker{'s' * (n > 1)}", ["--engine-cluster", "ray", "--workers", str(n)]


def measure(folder: Path, name: str, options: list[str]) -> Measured:
    """Run the command, and look at all its processes while it does."""
    output = folder / f"{name}/"
    call = ["tag", str(folder / "recordings"), "-o", f"{output}/", "--threads", "1", *options]
    began = time.perf_counter()
    peak_mb = peak_own_mb = 0.0
    with subprocess.Popen([sys.executable, "-c", COMMAND, *call], stderr=subprocess.DEVNULL) as run:
        while run.poll() is None:
            memory = memory_mb(run.pid)
            peak_mb = max(peak_mb, sum(mb for _, mb in memory))
            peak_own_mb = max(
                peak_own_mb, sum(mb for title, mb in memory if any(own in title for own in OWN))
            )
            time.sleep(SAMPLED_EVERY_S)
    if run.returncode:
        sys.exit(f"{name}: ended with code {run.returncode}")
    wall_s = time.perf_counter() - began
    result = Measured(name, wall_s, rate_of(output), peak_mb, peak_own_mb, digest_of(output, folder))
    print(
        f"{name}: {wall_s:.1f} s, {result.rate:.1f} recordings/s, {peak_mb:.0f} MB, ours {peak_own_mb:.0f} MB"
    )
    return result


def rate_of(output: Path) -> float:
    """Recordings per second between the end of the first unit and the end of the last."""
    records = sorted((output / ".htsat" / "units").glob("*.json"), key=lambda path: path.stat().st_mtime)
    times = [path.stat().st_mtime for path in records]
    counts = [json.loads(path.read_text())["n_recordings"] for path in records]
    return sum(counts[1:]) / (times[-1] - times[0])


def digest_of(output: Path, folder: Path) -> str:
    """One digest of all parts."""
    digests = [f"{path.name} {sha256(path)}\n" for path in sorted((output / "parts").iterdir())]
    joined = folder / "digests"
    joined.write_text("".join(digests))
    return sha256(joined)


def memory_mb(root: int) -> list[tuple[str, float]]:
    """Title and memory of a process and all below it, each with its share of what it shares with others."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = []
    for pid in parents:
        if is_below(pid, root, parents):
            try:
                title = (
                    Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            kilobytes = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
            name = "python driver" if pid == root else title.replace("python", "")
            found.append((name, sum(kilobytes) / 1024))
    return found


def is_below(pid: int, root: int, parents: dict[int, int]) -> bool:
    """Whether a process is another one or was started by it, directly or not."""
    while pid in parents and pid != root:
        pid = parents[pid]
    return pid == root


if __name__ == "__main__":
    main()
