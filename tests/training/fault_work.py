"""What `test_parallel_faults.py` lets two processes do: `python fault_work.py FOLDER`, started twice.

In the second one the second step of each run fails. FOLDER holds `data/`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.fabric import Fabric
from torch import Tensor

from htsat.data.dataset import Draw, Sample, TrainingClips
from htsat.errors import HtsatError
from htsat.training import loop, losses
from htsat.training.experiment import Experiment
from htsat.training.parallel import build_fabric
from htsat.training.state import read_state
from htsat.training.train import resume, train


def experiments(data: Path) -> Callable[[str], Experiment]:
    """Of `parallel_work.py`, without mixing: two steps an epoch."""
    spec = importlib.util.spec_from_file_location(
        "parallel_work", Path(__file__).with_name("parallel_work.py")
    )
    assert spec is not None
    assert spec.loader is not None
    work = importlib.util.module_from_spec(spec)
    sys.modules["parallel_work"] = work
    spec.loader.exec_module(work)
    plain = dataclasses.replace(work.experiments(data)["adamw"], sampling="shuffled")
    optimisation = dataclasses.replace(plain.optimisation, accumulate=1)
    return lambda strategy: work.on(strategy, dataclasses.replace(plain, optimisation=optimisation))


def failing(what: str, rank: int) -> Callable[..., Tensor]:
    """A loss that fails in the second step of the second process."""
    n_steps = 0

    def loss_of(logits: Tensor, *others: object) -> Tensor:
        nonlocal n_steps
        n_steps += 1
        loss = losses.clip_loss(logits, *others)  # type: ignore[arg-type]
        if rank == 0 or n_steps != 2:
            return loss
        if what == "loss":
            return loss * float("nan")
        return loss + (logits - logits.detach()).square().sum().sqrt()  # no number is its slope

    return loss_of


@contextmanager
def noted() -> Iterator[list[str]]:
    """The titles of the clips that this process draws for training."""
    heard: list[str] = []
    original = TrainingClips.__getitem__

    def note(clips: TrainingClips, draw: Draw) -> Sample:
        heard.append(clips.title(draw.index))
        return original(clips, draw)

    TrainingClips.__getitem__ = note  # type: ignore[method-assign]
    try:
        yield heard
    finally:
        TrainingClips.__getitem__ = original  # type: ignore[method-assign]


def learn(settings: Experiment, run: Path, what: str, fabric: Fabric) -> dict[str, object]:
    """Train until it fails, then go on with what is there; what happened."""
    said = "nothing"
    loop.clip_loss = failing(what, fabric.global_rank)  # type: ignore[attr-defined]
    with noted() as heard:
        try:
            train(settings, run, fabric=fabric)
        except HtsatError as error:
            said = str(error)
    loop.clip_loss = losses.clip_loss  # type: ignore[attr-defined]
    told = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    fabric.barrier()
    resume(settings, run, fabric=fabric)
    return {"said": said, "heard": heard[4:8], "told": told, "step": read_state(run).trainer.step}


def main(folder: Path) -> None:
    of = experiments(folder / "data")
    fabric = build_fabric(of("ddp"))
    found = {
        name: learn(of(strategy), folder / name, what, fabric)
        for name, what, strategy in (
            ("loss", "loss", "ddp"),
            ("gradient", "gradient", "ddp"),
            ("shared", "gradient", "fsdp"),
        )
    }
    (folder / f"found-{fabric.global_rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
