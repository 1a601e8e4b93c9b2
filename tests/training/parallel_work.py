"""What `test_parallel.py` lets two processes do, and one: `python parallel_work.py FOLDER`, started twice.

FOLDER holds `data/`, recordings in a folder for each class, and `one/`, the runs of one process.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor

from htsat.data.augment import WaveformAugmentation
from htsat.data.dataset import Draw, TrainingClips
from htsat.training.experiment import Experiment, Machines, Optimisation
from htsat.training.mixing import Mixup, SpecAugment
from htsat.training.parallel import build_fabric
from htsat.training.parallel.preparation import GlobalBatchNorm1d
from htsat.training.train import Watcher, resume, train

N_CLIPS = {"high": 16, "low": 8}
"""Of each class; 6 are held out, so that an epoch has two batches of 8 and a rest."""
NETWORK = {
    "sample_rate": 8_000,
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
    "drop_path": 0.0,
}
_OPTIMISATION = Optimisation(epochs=2, batch_size=8, accumulate=2, learning_rate=2e-3, warmup_clips=8)


def experiments(data: Path) -> dict[str, Experiment]:
    """The runs that are compared: all that is random is on, but for stochastic depth."""
    plain = Experiment(
        data=str(data),
        network=NETWORK,
        valid_share=0.25,
        sampling="balanced",
        precision="32-true",
        device="cpu",
        log_every=1,
        optimisation=_OPTIMISATION,
        augmentation=WaveformAugmentation(speed=1.05),
        mixup=Mixup(probability=0.7),
        spec_augment=SpecAugment(max_time_frames=4, max_mel_bins=2),
    )

    def changed(**changes: object) -> Experiment:
        return dataclasses.replace(plain, optimisation=dataclasses.replace(_OPTIMISATION, **changes))

    return {
        "adamw": plain,
        "muon": changed(optimizer="muon"),
        "head_first": dataclasses.replace(changed(head_epochs=1), sampling="shuffled"),
        "head_only": changed(learn="head"),
    }


def on(strategy: str, experiment: Experiment) -> Experiment:
    """The same, shared in another way."""
    return dataclasses.replace(experiment, machines=Machines(n_devices=2, strategy=strategy))


def run(experiment: Experiment, folder: Path, fabric: Fabric | None = None) -> None:
    """Train, and keep a copy of the run as it was after the first epoch."""

    def event(event: dict[str, object]) -> None:
        if event["event"] == "step" and event["step"] == 3:
            shutil.copytree(folder, folder.with_name(f"{folder.name}-stopped"))

    train(experiment, folder, Watcher(event), fabric)


@contextmanager
def heard(path: Path) -> Iterator[None]:
    """Write down which clips this process draws for training."""
    draws: list[Draw] = []
    original = TrainingClips.__getitem__

    def noted(clips: TrainingClips, draw: Draw) -> object:
        draws.append(draw)
        return original(clips, draw)

    TrainingClips.__getitem__ = noted  # type: ignore[method-assign]
    try:
        yield
    finally:
        TrainingClips.__getitem__ = original  # type: ignore[method-assign]
        path.write_text(json.dumps([tuple(vars(draw).values()) for draw in draws]))


def batches() -> list[Tensor]:
    """Log-mels of eight clips, far from zero and unlike each other. Shape: `(8, 16, 51)` each."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.linspace(0.1, 30, 8)[:, None, None]
    return [-60 + spread * torch.randn(8, 16, 51, generator=generator) for _ in range(3)]


def batch_norm(part: slice, norm: torch.nn.BatchNorm1d) -> dict[str, Tensor]:
    """Outputs for a part of the batches, the gradients of their squares, and the state afterwards."""
    outputs = [norm(batch[part]) for batch in batches()]
    sum(output.square().sum() for output in outputs).backward()
    gradients = {f"{name}.grad": parameter.grad for name, parameter in norm.named_parameters()}
    return {"outputs": torch.stack(outputs).detach(), **gradients, **norm.state_dict()}


def main(folder: Path) -> None:
    written: list[str] = []
    own = folder / "two"

    def note(event: str, details: tuple[object, ...]) -> None:
        # Opened to be written (O_WRONLY or O_RDWR), or made, in the folders of the runs.
        changes = (event == "open" and int(details[2]) & 3) or event in ("os.mkdir", "os.rename", "os.remove")
        if changes and str(details[0]).startswith(str(own)):
            written.append(f"{event} {details[0]}")

    sys.addaudithook(note)
    settings = experiments(folder / "data")
    fabric = build_fabric(on("ddp", settings["adamw"]))
    rank = fabric.global_rank
    # Shares of three and five clips: the statistics must be weighted.
    uneven = [slice(0, 3), slice(3, 8)][rank]
    torch.save(batch_norm(uneven, GlobalBatchNorm1d(16)), folder / f"norm-{rank}.pt")
    for name, experiment in settings.items():
        with heard(folder / f"heard-{name}-{rank}.json"):
            run(on("ddp", experiment), own / name)
    run(on("fsdp", settings["adamw"]), own / "fsdp")
    run(on("fsdp", settings["head_first"]), own / "fsdp-head_first")
    for strategy in ("ddp", "fsdp"):
        copy = own / f"resumed-{strategy}"
        if fabric.is_global_zero:
            shutil.copytree(folder / "one" / "adamw-stopped", copy)
        fabric.barrier()
        resume(on(strategy, settings["adamw"]), copy)
    (folder / f"written-{rank}.json").write_text(json.dumps(written))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
