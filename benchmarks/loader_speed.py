"""Clips per second that each way of storing sound gives to training, in one process and with workers.

Usage: python benchmarks/loader_speed.py [--clips 48] [--rounds 3] [--workers 0 2] [-o loader.json]

A clip is 10 s of the example scene with noise, heard at 32 kHz in mono; Opus and the long recordings come at
other rates and are resampled. Batches of 8 are read, decoded and stacked, nothing more. Each figure is the
median of rounds in which all stores take turns, after one batch per worker that does not count. Files come
from the page cache: a slow disk shows in kB/clip, not in clips/s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pyarrow as pa
import soundfile
import torch
from machine import processor
from pyarrow import parquet
from torch.utils.data import DataLoader, Dataset

from htsat.audio import load_audio
from htsat.data.clip import Clip, Row
from htsat.data.encoding import encode
from htsat.data.manifest import INDEX_NAME, Manifest, read_manifest
from htsat.data.packing import Packing, pack
from htsat.data.stores import SoundReader
from htsat.labels import LabelSet
from htsat.scores import FloatArray

SCENE = Path(__file__).parent.parent / "examples" / "scene.ogg"
SAMPLE_RATE = 32_000
CLIP_S = 10
LONG_S = 600
BATCH = 8


class Store(NamedTuple):
    """Clips in the order in which they are read, and what one takes on disk."""

    name: str
    order: str
    clips: Sequence[Clip] | Sequence[FloatArray]
    kb_per_clip: float


class Measurement(NamedTuple):
    """One store with so many workers."""

    store: str
    order: str
    n_workers: int
    clips_per_s: float
    kb_per_clip: float


class Sounds(Dataset[FloatArray]):
    """What training asks for, without labels and changes."""

    def __init__(self, clips: Sequence[Clip] | Sequence[FloatArray]) -> None:
        self._clips = clips
        self._reader = SoundReader(SAMPLE_RATE)

    def __getitem__(self, index: int) -> FloatArray:
        clip = self._clips[index]
        return self._reader.read(clip) if isinstance(clip, Clip) else clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stores = list(make_stores(Path(folder), args.clips))
        measurements = measure(stores, args.workers, args.rounds)
    print_table(measurements, args.workers)
    if args.output:
        machine = {"processor": processor(), "cores": os.cpu_count(), "torch": torch.__version__}
        runs = [one._asdict() for one in measurements]
        args.output.write_text(json.dumps({"machine": machine, "runs": runs}, indent=2) + "\n")


def measure(stores: Sequence[Store], workers: Sequence[int], n_rounds: int) -> list[Measurement]:
    cases = [(store, n_workers) for n_workers in workers for store in stores]
    speeds: dict[tuple[str, str, int], list[float]] = {}
    for _ in range(n_rounds):
        for store, n_workers in cases:
            speeds.setdefault((store.name, store.order, n_workers), []).append(clips_per_s(store, n_workers))
    return [
        Measurement(
            store.name,
            store.order,
            n_workers,
            statistics.median(speeds[store.name, store.order, n_workers]),
            store.kb_per_clip,
        )
        for store, n_workers in cases
    ]


def clips_per_s(store: Store, n_workers: int) -> float:
    n_clips = len(store.clips)
    batches = [list(range(start, min(start + BATCH, n_clips))) for start in range(0, n_clips, BATCH)]
    asked = batches[: max(1, n_workers)]
    loader = DataLoader(
        Sounds(store.clips),
        batch_sampler=asked,
        collate_fn=stacked,
        num_workers=n_workers,
        persistent_workers=n_workers > 0,
    )
    for _ in loader:
        pass
    asked[:] = batches
    began = time.perf_counter()
    n_heard = sum(len(batch) for batch in loader)
    return n_heard / (time.perf_counter() - began)


def stacked(waveforms: list[FloatArray]) -> torch.Tensor:
    return torch.from_numpy(np.stack([waveform[: CLIP_S * SAMPLE_RATE] for waveform in waveforms]))


def make_stores(folder: Path, n_clips: int) -> Iterator[Store]:
    sounds = [sound(number, CLIP_S, SAMPLE_RATE) for number in range(n_clips)]
    originals = folder / "originals"
    wav = list(make_files(originals, "wav", sounds))
    yield Store("memory", "", sounds, 4 * CLIP_S * SAMPLE_RATE / 1000)
    yield Store("file wav", "", wav, kb(originals, n_clips))
    for suffix in ("flac", "ogg", "mp3", "opus"):
        files = list(make_files(folder / suffix, suffix, sounds))
        yield Store(f"file {suffix}", "", files, kb(folder / suffix, n_clips))
    for suffix in ("flac", "ogg", "mp3"):
        yield long_file(folder, suffix, n_clips)
    for audio_format in ("flac", "mp3", "opus"):
        shards = folder / f"shards-{audio_format}"
        pack(Manifest(tuple(wav), LabelSet.of([])), shards, Packing(format=audio_format, shard_mb=5), 2)
        yield from both_orders(
            f"tar {audio_format}", read_manifest(shards / INDEX_NAME).clips, kb(shards, n_clips)
        )
    for name, path, make in (
        ("hdf5 int16", folder / "a.h5", make_hdf5),
        ("parquet flac", folder / "a.parquet", make_parquet),
    ):
        make(path, sounds)
        clips = [Clip(path, (), place=Row(number)) for number in range(n_clips)]
        yield from both_orders(name, clips, path.stat().st_size / 1000 / n_clips)


def both_orders(name: str, clips: Sequence[Clip], kb_per_clip: float) -> Iterator[Store]:
    yield Store(name, "sequential", clips, kb_per_clip)
    yield Store(name, "random", random.Random(0).sample(clips, len(clips)), kb_per_clip)


def make_files(folder: Path, suffix: str, sounds: Sequence[FloatArray]) -> Iterator[Clip]:
    folder.mkdir()
    for number, waveform in enumerate(sounds):
        path = folder / f"{number}.{suffix}"
        write(path, waveform, SAMPLE_RATE)
        yield Clip(path, ())


def write(path: Path, waveform: FloatArray, rate: int) -> None:
    if path.suffix == ".opus":
        path.write_bytes(encode(sound(0, CLIP_S, 48_000), 48_000, "opus"))
    else:
        soundfile.write(path, waveform, rate)


def long_file(folder: Path, suffix: str, n_clips: int) -> Store:
    """Stretches at random from ten minutes at 44.1 kHz: found by seeking."""
    path = folder / f"long.{suffix}"
    minute = sound(0, 60, 44_100)
    with soundfile.SoundFile(path, "w", 44_100, 1) as file:
        for second in np.tile(minute, LONG_S // 60).reshape(LONG_S, 44_100):  # longer ones crash libvorbis
            file.write(second)
    whole = Clip(path, (), 0.0, float(CLIP_S))
    rng = random.Random(0)
    clips = [replace(whole, start_s=rng.uniform(0, LONG_S - CLIP_S)) for _ in range(n_clips)]
    return Store(f"10 min {suffix} 44.1 kHz", "random", clips, path.stat().st_size / 1000 * CLIP_S / LONG_S)


def make_hdf5(path: Path, sounds: Sequence[FloatArray]) -> None:
    with h5py.File(path, "w") as file:
        file["waveform"] = np.round(32_767 * np.stack(sounds)).astype(np.int16)


def make_parquet(path: Path, sounds: Sequence[FloatArray]) -> None:
    rows = [{"bytes": encode(waveform, SAMPLE_RATE, "flac"), "path": ""} for waveform in sounds]
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    parquet.write_table(pa.table({"audio": pa.array(rows, kind)}), path, row_group_size=16)


def sound(number: int, duration_s: float, rate: int) -> FloatArray:
    """The scene, turned to another place for each number, over noise 40 dB below full scale."""
    rng = np.random.default_rng(number)
    scene = np.roll(load_audio(SCENE, rate), rng.integers(10 * rate))
    n_samples = round(duration_s * rate)
    noise = 0.01 * rng.standard_normal(n_samples, dtype=np.float32)
    mixed: FloatArray = np.clip(np.resize(scene, n_samples) + noise, -1, 1).astype(np.float32)
    return mixed


def kb(folder: Path, n_clips: int) -> float:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1000 / n_clips


def print_table(measurements: Sequence[Measurement], workers: Sequence[int]) -> None:
    names = [f"{n or 'no'} workers" for n in workers]
    print(f"{'store':22} {'order':10} {'kB/clip':>8} " + " ".join(f"{name:>10}" for name in names))
    speeds = {(one.store, one.order, one.n_workers): one.clips_per_s for one in measurements}
    for one in measurements:
        if one.n_workers == workers[0]:
            figures = (f"{speeds[one.store, one.order, n]:10.0f}" for n in workers)
            print(f"{one.store:22} {one.order:10} {one.kb_per_clip:8.0f} " + " ".join(figures))


if __name__ == "__main__":
    main()
