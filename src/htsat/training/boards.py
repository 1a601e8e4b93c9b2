"""Curves of a run on TensorBoard and Weights & Biases: receivers of the same events as its log."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from htsat.errors import MissingExtraError
from htsat.files import atomic_path
from htsat.training.experiment import Board
from htsat.training.log import Event, Receiver

BOARDS_FOLDER = "boards"
_WANDB_ID_NAME = "wandb-id.txt"

_CURVES = {
    "step": {
        "loss": "training/loss",
        "learning_rate": "training/learning_rate",
        "clips_per_s": "training/clips_per_s",
    },
    "evaluation": {
        "loss": "held_out/loss",
        "accuracy": "held_out/accuracy",
        "mean_average_precision": "held_out/mAP",
    },
}
"""For each kind of event its figures, and what their curves are called."""


def open_boards(
    names: Sequence[Board], run: Path, settings: Mapping[str, object], n_steps_done: int = 0
) -> tuple[Receiver, ...]:
    """Open the boards that an experiment asks for; what they keep lies in the run's folder under `boards/`.

    Args:
        names: which boards.
        run: the run's folder.
        settings: of the experiment, shown beside the curves.
        n_steps_done: where the run goes on; points behind it, from before an interruption, are replaced.

    Raises:
        MissingExtraError: when the packages of a board are not installed.
    """
    opened: list[Receiver] = []
    for name in names:
        board = TensorBoard if name == "tensorboard" else WandbBoard
        opened.append(board(run, settings, n_steps_done))
    return tuple(opened)


def points(event: Event) -> dict[str, float]:
    """The figures of an event by the name of their curve; none for events without curves."""
    names = dict(_CURVES.get(str(event["event"]), {}))
    if event.get("task") == "multi_label":
        names.pop("accuracy", None)
    values = {curve: event.get(name) for name, curve in names.items()}
    return {curve: float(value) for curve, value in values.items() if isinstance(value, int | float)}


class TensorBoard:
    """Files for `tensorboard --logdir RUN/boards`."""

    def __init__(self, run: Path, settings: Mapping[str, object], n_steps_done: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise MissingExtraError("the board tensorboard", "train") from error
        folder = run / BOARDS_FOLDER / "tensorboard"
        self._writer = SummaryWriter(folder, purge_step=n_steps_done + 1, flush_secs=30)
        if not n_steps_done:
            text = json.dumps(settings, indent=2)
            self._writer.add_text("settings", f"```\n{text}\n```", 0)

    def write(self, event: Event) -> None:
        """Add points to the curves."""
        for curve, value in points(event).items():
            self._writer.add_scalar(curve, value, event["step"])

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WandbBoard:
    """A run on Weights & Biases, or in its folder only (`WANDB_MODE=offline`).

    A run that was interrupted goes on under its own name. Its points stand at the steps of training, because
    those of W&B never go back: what was heard twice stands there twice, at the same places.
    """

    def __init__(self, run: Path, settings: Mapping[str, object], n_steps_done: int) -> None:
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise MissingExtraError("the board wandb", "wandb") from error
        folder = run / BOARDS_FOLDER
        self._run = wandb.init(
            project="htsat",
            name=run.resolve().name,
            id=_wandb_id(folder, is_new=not n_steps_done),
            resume="allow",
            dir=folder.absolute(),
            config=dict(settings),
        )
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def write(self, event: Event) -> None:
        """Add points to the curves."""
        values = points(event)
        if values:
            self._run.log({"step": event["step"], **values})

    def close(self) -> None:
        """Send what is left."""
        self._run.finish()


def _wandb_id(folder: Path, *, is_new: bool) -> str:
    """What the run is called at W&B for good: drawn once and kept."""
    path = folder / _WANDB_ID_NAME
    if is_new or not path.is_file():
        with atomic_path(path) as temporary:
            temporary.write_text(secrets.token_hex(8), encoding="utf-8")
    return path.read_text(encoding="utf-8")
