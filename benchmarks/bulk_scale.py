"""Bulk runs of up to a million recordings with a stand-in for listening: what all the rest costs.

Usage: python benchmarks/bulk_scale.py [--entries 10000 1000000] [--format csv] [--folder DIR] [-o JSON]
       python benchmarks/bulk_scale.py --project --network-clips-per-s X [-o JSON]
       python benchmarks/bulk_scale.py --draw JSON -o PICTURE

For each number of entries a manifest is generated, listed, cut into units, dealt to eight shares, "heard"
(five tags for each name; no sound is decoded), written part by part, opened again by a second call, and
joined. Each size has a process of its own; its memory is the most that it ever held.

`--project` says how long AudioSet (2,084,320 clips of 10 s) would take on 1, 8 and 64 GPUs, each with so many
cores. The rate of the network on one GPU and the throughput of the disk are yours to state; how fast one core
decodes and resamples FLAC is measured here, on ten seconds of `examples/scene.ogg`. What a run itself costs
is measured too, with 10,000 entries. Stages run side by side, so the slowest is the bottleneck.

`--draw` makes curves of what was measured: seconds and memory against recordings.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import soundfile
from machine import machine

from htsat.audio import load_audio
from htsat.bulk.inputs import Input
from htsat.bulk.layouts import layout_of
from htsat.bulk.listing import Listing
from htsat.bulk.run import Work, run_units
from htsat.bulk.sharding import Shard
from htsat.bulk.target import Target
from htsat.bulk.units import Cutting
from htsat.errors import HtsatError
from htsat.formats import ALL_TAG_FORMATS, TaggedRecording
from htsat.scores import Tag

TAGS = [Tag(f"class {number}", 0.9 - number / 10) for number in range(5)]
N_SHARES = 8
AUDIOSET_CLIPS = 2_084_320
CLIP_S = 10.0
FLAC_BYTES = 500_000
"""Of a clip of 10 s at 32 kHz: about 0.4 Mbit/s."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--format", choices=["csv", "jsonl", "parquet"], default="csv")
    parser.add_argument("--folder", type=Path, help="where parts are written (default: a temporary folder)")
    parser.add_argument("--project", action="store_true")
    parser.add_argument("--network-clips-per-s", type=float, help="of one GPU")
    parser.add_argument("--cores-per-gpu", type=int, default=16)
    parser.add_argument(
        "--disk-mb-per-s", type=float, default=2000.0, help="of the disk that all machines share"
    )
    parser.add_argument("--draw", type=Path, metavar="JSON")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        print(json.dumps(measure(args.measure, args.format, args.folder)))
        return
    if args.draw is not None:
        draw(json.loads(args.draw.read_text())["results"], args.output)
        return
    results = [in_own_process(n, args) for n in ([10_000] if args.project else args.entries)]
    document: dict[str, Any] = {"machine": machine(), "format": args.format, "results": results}
    if args.project:
        document["projection"] = project(args, results[0])
    if args.output:
        args.output.write_text(json.dumps(document, indent=2) + "\n")


CURVES = (
    ("s", {"listing_s": "listing", "units_and_parts_s": "units and parts", "joining_s": "joining"}),
    ("MB", {"peak_mb": "peak memory", "state_mb": "state of units", "output_mb": "output on disk"}),
)
"""By unit: what is drawn, and how it is called."""


def draw(results: list[dict[str, float]], path: Path) -> None:
    """Curves on logarithmic axes; the dotted line is what grows as recordings do."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    entries = [result["entries"] for result in results]
    for axes, (unit, names) in zip(figure.subplots(1, 2), CURVES, strict=True):
        for key, name in names.items():
            axes.loglog(entries, [result[key] for result in results], marker="o", label=name)
        last = results[-1][next(iter(names))]
        axes.loglog(entries, [last * n / entries[-1] for n in entries], ":", color="gray", label="linear")
        axes.set(xlabel="recordings", ylabel=unit)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=100)


def in_own_process(n_entries: int, args: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        command = [sys.executable, __file__, "--measure", str(n_entries), "--format", args.format]
        text = subprocess.run(
            [*command, "--folder", folder], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    result: dict[str, float] = json.loads(text)
    print("  ".join(f"{key} {value:.4g}" for key, value in result.items()), flush=True)
    return result


class Silent:
    """Is told what goes on, and says nothing."""

    def heard(self, _: object) -> None: ...

    def finished(self, *_: object) -> None: ...


def hear(inputs: Sequence[Input]) -> Generator[TaggedRecording | HtsatError, None, None]:
    for item in inputs:
        yield TaggedRecording(item.title, CLIP_S, TAGS)


def measure(n_entries: int, name: str, folder: Path) -> dict[str, float]:
    manifest = folder / "manifest.csv"
    with manifest.open("w") as file:
        file.write("file\n")
        file.writelines(f"{number % 1000:03d}/recording-{number:08d}.flac\n" for number in range(n_entries))
    work = Work(hear, lambda result: result.duration_s, layout_of(ALL_TAG_FORMATS[name]))
    target = Target(str(folder / f"tags.{name}"), work.layout, is_folder=False)
    times = Times()
    result: dict[str, float] = {"entries": n_entries, "imported_mb": peak_mb()}
    listing = Listing.of([str(manifest)], "", work.layout.files_of, Cutting())
    result["listing_s"] = times.lap()
    result |= {"units": len(listing.units), "after_listing_peak_mb": peak_mb()}
    result["state_mb"] = sum(sys.getsizeof(unit) + len(unit.packed) for unit in listing.units) / 2**20
    shares = [Shard(index, N_SHARES).of(listing.units) for index in range(N_SHARES)]
    result |= {"largest_share": max(sum(unit.n_recordings for unit in share) for share in shares)}
    journal = target.journal()
    journal.begin()
    journal.hold_to({"--top": "5"})
    result["sharding_s"] = times.lap()
    for share in shares:
        run_units(share, work, journal, Silent())
    result["units_and_parts_s"] = times.lap()
    assert len(target.journal().done()) == len(listing.units)
    result["second_call_s"] = times.lap()
    assert target.conclude(listing, journal).n_recordings == n_entries
    result["joining_s"] = times.lap()
    return result | {"peak_mb": peak_mb(), "output_mb": (folder / f"tags.{name}").stat().st_size / 2**20}


class Times:
    """Seconds from one mark to the next."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        before, self._last = self._last, time.perf_counter()
        return self._last - before


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def decoding_rate() -> float:
    """Clips of 10 s that one core decodes and resamples in a second: FLAC at 44.1 kHz to 32 kHz."""
    waveform = load_audio(Path(__file__).parents[1] / "examples" / "scene.ogg", 44_100)
    n_samples = round(CLIP_S * 44_100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.flac"
        soundfile.write(path, waveform[:n_samples], 44_100)
        load_audio(path, 32_000)
        n_clips = 0
        began = time.process_time()
        while time.process_time() - began < 3:
            load_audio(path, 32_000)
            n_clips += 1
        return n_clips / (time.process_time() - began)


def project(args: argparse.Namespace, measured: dict[str, float]) -> dict[str, Any]:
    """Clips per second of each stage, the slowest of them, and the hours that AudioSet takes."""
    if args.network_clips_per_s is None:
        raise SystemExit("--project needs the rate of the network on your GPU: --network-clips-per-s")
    per_core = decoding_rate()
    # Every process lists everything, and one joins; units are shared.
    alone_s = AUDIOSET_CLIPS * (measured["listing_s"] + measured["joining_s"]) / measured["entries"]
    shared_s = AUDIOSET_CLIPS * measured["units_and_parts_s"] / measured["entries"]
    stated = {name: getattr(args, name) for name in ("network_clips_per_s", "cores_per_gpu", "disk_mb_per_s")}
    found = {"decoding_clips_per_s_and_core": per_core, "listing_and_joining_s": alone_s, "units_s": shared_s}
    projection: dict[str, Any] = {"stated": stated, "measured": found}
    print(
        f"one core decodes {per_core:.4g} clips/s; listing, joining {alone_s:.4g} s, units {shared_s:.4g} s"
    )
    for n_gpus in (1, 8, 64):
        stages = {
            "network": n_gpus * args.network_clips_per_s,
            "decoding": n_gpus * args.cores_per_gpu * per_core,
            "disk": args.disk_mb_per_s * 1e6 / FLAC_BYTES,
        }
        bottleneck = min(stages, key=stages.__getitem__)
        hours = (AUDIOSET_CLIPS / stages[bottleneck] + alone_s + shared_s / n_gpus) / 3600
        projection[str(n_gpus)] = {**stages, "bottleneck": bottleneck, "hours": hours}
        print(f"{n_gpus} GPUs: {hours:.3g} h, bottleneck {bottleneck} ({stages[bottleneck]:.4g} clips/s)")
    return projection


if __name__ == "__main__":
    main()
