"""Commands that write, each small, with what may lie where they write; and how to compare what they leave."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

_TIMES = ("clips_per_s", "time_left_s")
_PACE = ("seconds", "x_real_time", "recordings_per_s", "file", "took_s")
_WRITTEN = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d")


EVERY_POINT = os.environ.get("HTSAT_FAULTS") == "every"
"""Whether all points are tried, which takes an hour, or a sample."""


@dataclass(frozen=True)
class Case:
    """A command; `before` is what was called there earlier, `again` what goes on after a fault (the same).

    `{out}` and `{things}` in words are folders. `every`: of so many points one is taken, unless all are asked
    for. Files of a command that `grows` have states between the old and the new, all of them whole.
    """

    words: str
    before: str | None = None
    again: str | None = None
    every: int = 3
    grows: bool = False

    def call(self, words: str, things: Path, out: Path) -> list[str]:
        return [word.format(things=things, out=out) for word in words.split()]


_LEARNING = "--size nano --precision 32-true --device cpu --optimisation.batch_size 2 --keep_top 2"
_MODEL = "--model {things}/one.safetensors"
_OTHER = "--model {things}/other.safetensors"
_LOW = "--threshold 0.1"
_TRAIN = (
    "train {things}/small.yaml --data {things}/classes/manifest.tsv -o {out}/run --valid-fold 2 "
    f"{_LEARNING} --optimisation.epochs 2"
)

CASES = {
    "detect csv": Case(
        f"detect {{things}}/recordings {_MODEL} {_LOW} -o {{out}}/a.csv",
        f"detect {{things}}/recordings {_OTHER} {_LOW} -o {{out}}/a.csv",
        every=1,
    ),
    "detect parquet": Case(
        f"detect {{things}}/recordings {_MODEL} {_LOW} -o {{out}}/a.parquet",
        f"detect {{things}}/recordings {_OTHER} {_LOW} -o {{out}}/a.parquet",
        every=1,
    ),
    "detect jsonl": Case(f"detect {{things}}/recordings {_MODEL} {_LOW} -o {{out}}/a.jsonl", every=1),
    "detect own files": Case(
        f"detect {{things}}/recordings {_MODEL} {_LOW} -o {{out}}/own/ --format audacity"
    ),
    "embed npy": Case(
        f"embed {{things}}/recordings {_MODEL} -o {{out}}/a.npy",
        f"embed {{things}}/recordings {_OTHER} -o {{out}}/a.npy",
        every=2,
    ),
    "embed parquet": Case(
        f"embed {{things}}/recordings {_MODEL} -o {{out}}/a.parquet",
        f"embed {{things}}/recordings {_OTHER} -o {{out}}/a.parquet",
        every=2,
    ),
    "many files": Case(
        f"detect {{things}}/recordings {_MODEL} {_LOW} --resume -o {{out}}/many/ --format csv", grows=True
    ),
    "labels to a file": Case(
        "labels convert {things}/recordings {out}/a.csv",
        "labels convert {things}/single {out}/a.csv",
        every=1,
    ),
    "labels to a folder": Case("labels convert {things}/recordings {out}/raven/ --to raven"),
    "tune": Case(
        f"tune {_MODEL} --data {{things}}/recordings -o {{out}}/t.safetensors --min-events 1 "
        "--report {out}/t.json",
        f"tune {_OTHER} --data {{things}}/recordings -o {{out}}/t.safetensors --min-events 1",
        every=4,
    ),
    "average": Case(
        "average {things}/one.safetensors {things}/other.safetensors -o {out}/m.safetensors",
        "average {things}/one.safetensors {things}/third.safetensors -o {out}/m.safetensors",
        every=1,
    ),
    "evaluate": Case(f"evaluate {_MODEL} --data {{things}}/recordings --report {{out}}/e.json", every=2),
    "prepare": Case(
        "prepare folder {things}/recordings -o {out}/p", "prepare folder {things}/single -o {out}/p"
    ),
    "soundscapes": Case(
        "prepare soundscapes {things}/classes -o {out}/s --n 2 --duration 1 --sample-rate 8000",
        every=4,
        grows=True,
    ),
    "pack": Case("pack {things}/classes -o {out}/p --shard-mb 0.02 --sample-rate 8000", every=4, grows=True),
    "report": Case(
        f"report {{things}}/recordings {_MODEL} {_LOW} -o {{out}}/r.html",
        f"report {{things}}/recordings {_OTHER} {_LOW} -o {{out}}/r.html",
        every=2,
    ),
    "segments": Case(f"segments {{things}}/recordings {_MODEL} {_LOW} -o {{out}}/s", every=4, grows=True),
    "plot": Case(
        f"plot {{things}}/recordings/r0.wav {_MODEL} {_LOW} -o {{out}}/p.png",
        f"plot {{things}}/recordings/r1.wav {_MODEL} {_LOW} -o {{out}}/p.png",
        every=3,
    ),
    "export onnx": Case(
        f"export {_MODEL} --to onnx -o {{out}}/x.onnx",
        f"export {_OTHER} --to onnx -o {{out}}/x.onnx",
        every=2,
    ),
    "export openvino": Case(
        f"export {_MODEL} --to openvino -o {{out}}/x.xml",
        f"export {_OTHER} --to openvino -o {{out}}/x.xml",
        every=5,
    ),
    "models get": Case("models get file://{things}/cached.onnx", every=2),
    "train": Case(_TRAIN, again="train --resume {out}/run", every=9, grows=True),
    "finetune": Case(
        f"finetune {{things}}/classes -o {{out}}/run --valid_share 0.34 {_LEARNING} --optimisation.epochs 1",
        again=f"finetune {{things}}/classes -o {{out}}/run --valid_share 0.34 {_LEARNING} "
        "--optimisation.epochs 1 --resume",
        every=9,
        grows=True,
    ),
    "teach": Case(
        "teach --teacher {things}/one.safetensors --data {things}/classes -o {out}/a --passes 2 "
        f"--task multi_label --valid_share 0.34 {_LEARNING}",
        every=4,
        grows=True,
    ),
}


def contents(folder: Path) -> dict[str, object]:
    """All files of a folder by their names, in a form in which equal ones are equal."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: content(path) for name, path in files.items()}


def content(path: Path) -> object:
    """A file in a form in which equal ones are equal: without times and the numbers of processes."""
    if path.suffix == ".ckpt":
        return _plain(torch.load(path, weights_only=True))
    if path.name == "log.jsonl":
        events = [json.loads(line) for line in path.read_text().splitlines()]
        return [{key: value for key, value in event.items() if key not in _TIMES} for event in events]
    if path.name == "lock" and path.parent.name == ".htsat":
        return "whoever held it"
    if path.name == "summary.json" or path.parent.name == "units":
        return {name: value for name, value in json.loads(path.read_text()).items() if name not in _PACE}
    if path.suffix == ".html":
        return _WRITTEN.sub(b"", path.read_bytes())
    return path.read_bytes()


def _plain(value: Any) -> object:
    """Tensors as bytes; where the log ends depends on how long its times are."""
    match value:
        case torch.Tensor():
            return (value.dtype, tuple(value.shape), value.numpy().tobytes())
        case Mapping():
            return {key: _plain(one) for key, one in value.items() if key != "log_bytes"}
        case list() | tuple():
            return [_plain(one) for one in value]
        case float():
            return "nan" if math.isnan(value) else value
    return value


def is_whole(path: Path) -> bool:
    """Whether a file of a command that grows can be used: read to its end, or as far as others say."""
    match path.suffix:
        case ".safetensors":
            with safe_open(path, "pt") as file:
                return all(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
        case ".ckpt":
            return bool(torch.load(path, weights_only=True))
        case ".json":
            return json.loads(path.read_text()) is not None
        case ".jsonl":  # of a log the last line may be cut
            return all(json.loads(line) for line in path.read_text().splitlines()[:-1])
        case ".npy":  # another file says how many rows count
            return (path.parent / "answers.json").is_file()
    return path.suffix == ".csv" and path.read_bytes().endswith(b"\n")


def copy(source: Path, target: Path) -> Path:
    """A folder again, whether it is there or not."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    return target
