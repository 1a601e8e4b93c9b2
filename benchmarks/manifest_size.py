"""Processor time to read a manifest of a million clips, and the memory it takes, as TSV and as Parquet.

Usage: python benchmarks/manifest_size.py [--rows 1000000] [-o manifest.json]

Clips are like those of AudioSet: 527 classes, two or three labels each, 10 s, every one of its own recording;
as files of their own, and as members of shards of 3,000. Each manifest is read by a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from htsat.data.clip import Clip, Member
from htsat.data.manifest import Manifest, read_manifest, write_manifest
from htsat.labels import LabelSet

CLIPS_PER_SHARD = 3000


class Measurement(NamedTuple):
    """One manifest."""

    clips: str
    manifest: str
    n_rows: int
    file_mb: float
    cpu_s: float
    bytes_per_clip: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        print(json.dumps(read(args.read)))
        return
    measurements = list(measure(args.rows))
    print(f"{'clips':8} {'manifest':9} {'file MB':>8} {'CPU s':>7} {'bytes/clip':>11}")
    for one in measurements:
        print(
            f"{one.clips:8} {one.manifest:9} {one.file_mb:8.0f} {one.cpu_s:7.1f} {one.bytes_per_clip:11.0f}"
        )
    if args.output:
        args.output.write_text(json.dumps([one._asdict() for one in measurements], indent=2) + "\n")


def measure(n_rows: int) -> Iterator[Measurement]:
    labels = LabelSet.named("audioset")
    with tempfile.TemporaryDirectory() as folder:
        for kind, clips in (("files", files), ("shards", members)):
            manifest = Manifest(tuple(clips(Path(folder), labels, n_rows)), labels)
            for suffix in ("tsv", "parquet"):
                path = Path(folder) / f"{kind}.{suffix}"
                write_manifest(path, manifest)
                command = [sys.executable, __file__, "--read", path]
                answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                cpu_s, n_bytes = json.loads(answer)
                yield Measurement(kind, suffix, n_rows, path.stat().st_size / 1e6, cpu_s, n_bytes / n_rows)


def files(folder: Path, labels: LabelSet, n_rows: int) -> Iterator[Clip]:
    rng = random.Random(0)
    for _ in range(n_rows):
        name = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz-_0123456789", k=11))
        heard = tuple(rng.sample(labels.names, rng.choice((2, 3))))
        yield Clip(folder / "unbalanced" / f"Y{name}.flac", heard, 0.0, 10.0, "train", name)


def members(folder: Path, labels: LabelSet, n_rows: int) -> Iterator[Clip]:
    for number, clip in enumerate(files(folder, labels, n_rows)):
        shard = folder / f"shard-{number // CLIPS_PER_SHARD:06}.tar"
        place = Member(320_000 * (number % CLIPS_PER_SHARD) + number % 512, 300_000 + number)
        yield Clip(shard, clip.labels, 0.0, 10.0, "train", clip.group, place=place)


def read(path: Path) -> tuple[float, int]:
    """Seconds of one core to read a manifest, and bytes of memory that it holds."""
    import pyarrow.parquet  # noqa: F401  (its own memory does not count)

    before, began = memory_bytes(), time.process_time()
    manifest = read_manifest(path)
    took_s = time.process_time() - began
    assert manifest.clips
    return took_s, memory_bytes() - before


def memory_bytes() -> int:
    """Memory of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
