"""A warm process whose children are disturbed, and small things for them to work on."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile
import torch

from htsat.checkpoints import ModelCard, load_model, save_model
from htsat.data.manifest import Clip, Manifest, write_manifest
from htsat.export.write import export_model
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules

KINDS = {"count": 0, "kill": 1, "half": 2, "full": 3, "fail": 4, "jump": 5}
RATE = 8_000
HERE = Path(__file__).parent


class Ended(NamedTuple):
    """How a child ended: its exit code (negative: the signal), what it said, and the calls it made."""

    code: int
    out: str
    err: str
    calls: list[str]


class Fault(NamedTuple):
    """What happens at the n-th call that changes something below the watched folder."""

    kind: str
    number: int
    jump_s: int = 0


NONE = Fault("count", 0)


class Warm:
    """Gives orders to the warm process."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder = process, folder

    def __call__(self, watched: Path, work: str, *arguments: object, fault: Fault = NONE) -> Ended:
        """Let a child work, with a fault; a kill is signal 9."""
        files = {name: str(self._folder / name) for name in ("trace", "out", "err")}
        order = {
            "work": work,
            "arguments": [str(argument) for argument in arguments],
            "folder": str(watched.resolve()),
            "kind": KINDS[fault.kind],
            "number": fault.number,
            "jump_s": fault.jump_s,
            "cwd": str(self._folder),
            "environ": {"HTSAT_CACHE": str(watched / "cache")},
            **files,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the warm process itself has ended: {self._process.wait()}"
        answer = json.loads(line)
        texts = {
            name: Path(path).read_text(encoding="utf-8", errors="replace") for name, path in files.items()
        }
        return Ended(answer["code"], texts["out"], texts["err"], texts["trace"].splitlines())


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of `shim.c`."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or platform.machine() != "x86_64" or compiler is None:
        pytest.skip("faults at system calls need Linux on x86-64, and a C compiler")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-o",
        library,
        HERE / "shim.c",
    ]
    subprocess.run([*map(str, command), "-ldl"], check=True)
    return library


@pytest.fixture(scope="session")
def warm(
    shim: Path, tmp_path_factory: pytest.TempPathFactory, half_second_config: ModelConfig
) -> Iterator[Warm]:
    """The process."""
    folder = tmp_path_factory.mktemp("warm")
    environ = os.environ | {
        "LD_PRELOAD": str(shim),
        "OMP_NUM_THREADS": "1",
        "MPLCONFIGDIR": str(folder),
        "TMPDIR": str(folder),
    }
    setup = {"library": str(shim), "network": dataclasses.asdict(half_second_config), "tests": str(HERE)}
    with subprocess.Popen(
        [sys.executable, str(HERE / "warm.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        cwd=folder,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(setup) + "\n")
        yield Warm(process, folder)
        process.stdin.close()


_SETTINGS = """
base: esc50-scratch
evaluate_every: 1
optimisation:
  accumulate: 1
augmentation:
  speed: 1.0
"""


@pytest.fixture(scope="session")
def things(tmp_path_factory: pytest.TempPathFactory, half_second_config: ModelConfig) -> Path:
    """Small things to work on.

    Models `one`, `other` and `third`, and `cached.onnx`; `recordings/` with strong labels, `single/` with one
    of them; `classes/` with a folder for each class and a manifest with folds, `small.yaml` to train with.
    """
    folder = tmp_path_factory.mktemp("things")
    card = ModelCard(LabelSet.of(["high", "low"]), "multi_label", EventRules.usual((0.5, 0.5)))
    for seed, name in enumerate(["one", "other", "third"]):
        torch.manual_seed(seed)
        save_model(folder / f"{name}.safetensors", HTSAT(half_second_config), card)
    export_model(load_model(folder / "one.safetensors"), folder / "cached.onnx")
    for take in range(3):
        label = "low" if take % 2 else "high"
        for below in ("recordings", "single")[: 1 + (take == 0)]:
            _write(folder / below / f"r{take}.wav", _tone(300 if take % 2 else 2_000, take, 1.25))
            (folder / below / f"r{take}.txt").write_text(f"0.25\t0.75\t{label}\n")
    (folder / "small.yaml").write_text(_SETTINGS)
    clips = []
    for label, pitch_hz in (("high", 2_000), ("low", 300)):
        for take in range(3):
            path = folder / "classes" / label / f"{take}-{label}.wav"
            _write(path, _tone(pitch_hz, take, 0.5))
            clips.append(Clip(path, (label,), fold=str(take)))
    write_manifest(folder / "classes" / "manifest.tsv", Manifest(tuple(clips), LabelSet.of(["high", "low"])))
    return folder


def _tone(pitch_hz: int, take: int, duration_s: float) -> np.ndarray[Any, Any]:
    time_s = np.arange(round(duration_s * RATE)) / RATE
    return 0.3 * np.sin(2 * np.pi * (pitch_hz + 10 * take) * time_s)


def _write(path: Path, sound: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, RATE)
