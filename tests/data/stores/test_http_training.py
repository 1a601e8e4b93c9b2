"""A run that learns from a faulty web server is the run from the disk; one that it ends goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from htsat.checkpoints import load_model
from htsat.data.clip import Clip
from htsat.data.manifest import Manifest, read_manifest, write_manifest
from htsat.data.packing import Packing, pack
from htsat.errors import DataError
from htsat.labels import LabelSet
from htsat.training.experiment import Experiment, Machines, Optimisation
from htsat.training.train import Watcher, resume, train

from .faulty_server import FaultyServer

pytest.importorskip("urllib3")
RATE = 8_000
LABELS = LabelSet(("high", "low"))
NETWORK = {
    "sample_rate": RATE,
    "clip_s": 0.5,
    "n_fft": 256,
    "hop_length": 80,
    "n_mels": 16,
    "max_hz": 4_000.0,
    "n_folds": 1,
    "fold_frames": 64,
    "window": 4,
    "dim": 16,
    "depths": (2, 1),
    "n_heads": (2, 4),
}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A folder with 24 tones in two shards."""
    rng, clips, time_s = np.random.default_rng(0), [], np.arange(RATE // 2) / RATE
    for number in range(24):
        label = LABELS.names[number % 2]
        tone = 0.3 * np.sin(2 * np.pi * (2_000 if label == "high" else 300) * time_s)
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, tone + 0.01 * rng.standard_normal(len(tone)), RATE)
        clips.append(Clip(path, (label,)))
    pack(Manifest(tuple(clips), LABELS), tmp_path / "shards", Packing(sample_rate=RATE, shard_mb=0.06))
    return tmp_path / "shards"


@pytest.fixture
def served(packed: Path, tmp_path: Path) -> Callable[[FaultyServer], Path]:
    """Writes the manifest of the packed clips on a server."""

    def written(server: FaultyServer) -> Path:
        rows = (packed / "index.parquet", tmp_path / "served" / "manifest.tsv")
        write_manifest(rows[1], read_manifest(rows[0]))
        text = rows[1].read_text().replace(f"{packed}/", f"{server.address}/")
        rows[1].write_text(text)
        return rows[1]

    return written


def experiment(data: Path, n_workers: int = 0) -> Experiment:
    """Two epochs of three steps, in which every clip is read when it is heard."""
    return Experiment(
        data=str(data),
        network=NETWORK,
        valid_share=0.25,
        sampling="streamed",
        precision="32-true",
        device="cpu",
        log_every=1,
        n_workers=n_workers,
        machines=Machines(memory_gb=1e-6),
        optimisation=Optimisation(epochs=2, batch_size=6, learning_rate=2e-3, warmup_clips=6),
    )


def refuse_other_model(run: Path, whole: Path) -> None:
    here, there = (load_model(path / "model.safetensors").network.state_dict() for path in (run, whole))
    torch.testing.assert_close(dict(here), dict(there), rtol=0, atol=0)


def test_a_run_from_a_server_is_that_from_the_disk(
    packed: Path, served: Callable[[FaultyServer], Path], tmp_path: Path
) -> None:
    """Read in a process of its own; also when the server failed it in the middle, and it was resumed."""
    train(experiment(packed), tmp_path / "whole")
    with FaultyServer(packed).running() as server:
        settings = experiment(served(server), n_workers=1)

        def spoil(event: dict[str, object]) -> None:
            if event.get("step") == 4:
                server.faults.extend(["404"] * 100)

        server.faults.extend(["reset", "truncated", "garbage", "reset"])
        expected = rf"^{server.address}/shard-00000\d.tar: 404 Not Found$"
        with pytest.raises(DataError, match=expected):
            train(settings, tmp_path / "run", Watcher(spoil))
        server.faults.clear()
        resume(settings, tmp_path / "run")
    refuse_other_model(tmp_path / "run", tmp_path / "whole")
