"""What a run must remember to go on as if it had never stopped: one file, `state.ckpt`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from htsat.checkpoints.pickles import refuse_compression
from htsat.errors import CheckpointError, DataError
from htsat.files import atomic_path
from htsat.training.loop import TrainerState
from htsat.training.origin import Fingerprint, Origin
from htsat.training.validation import Evaluation

STATE_NAME = "state.ckpt"
FORMAT_VERSION = 3
"""States of version 2 have no loss scale, which begins anew; otherwise they are the same."""


@dataclass(frozen=True)
class Ranked:
    """A model that was kept for its held-out score."""

    mean_average_precision: float
    name: str


@dataclass(frozen=True, kw_only=True)
class RunState:
    """A run between two steps."""

    origin: Origin
    trainer: TrainerState
    top: list[Ranked]
    """Models kept for their held-out score, the best first."""
    best_mean_average_precision: float
    evaluation: Evaluation | None
    """The last one."""
    log_bytes: int
    is_finished: bool


def write_state(run: Path, state: RunState) -> None:
    """Write the state of a run, whole or not at all."""
    content = {
        "format_version": FORMAT_VERSION,
        **vars(state),
        "origin": dataclasses.asdict(state.origin),
        "trainer": vars(state.trainer),
        "top": [dataclasses.astuple(ranked) for ranked in state.top],
        "evaluation": state.evaluation and tuple(state.evaluation),
    }
    with atomic_path(run / STATE_NAME) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch says that its position is not the expected one
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def read_state(run: Path) -> RunState:
    """Read the state of a run; nothing in the file is executed.

    Raises:
        DataError: when there is none.
        CheckpointError: when it is damaged, or of another version.
    """
    path = state_path(run)
    try:
        refuse_compression(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make the reader raise anything
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"{path}: not the state of a run that can be read ({reason:.80})") from None
    version = content.pop("format_version", None) if isinstance(content, dict) else None
    if version not in (2, FORMAT_VERSION):
        raise CheckpointError(f"{path}: expected format version 2 or {FORMAT_VERSION}, got {version!r:.80}")
    try:
        return _decode(content, version)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: is damaged ({error!r:.80})") from None


def state_path(run: Path) -> Path:
    """Where a run's state lies.

    Raises:
        DataError: when there is none.
    """
    path = run / STATE_NAME
    if not path.is_file():
        raise DataError(f"{run}: no run to resume (there is no {STATE_NAME}); start it without --resume")
    return path


def _decode(content: dict[str, Any], version: int) -> RunState:
    origin, evaluation = content["origin"], content["evaluation"]
    origin["listed"] = Fingerprint(**origin["listed"])
    content["origin"] = Origin(**origin)
    if version == 2:
        content["trainer"]["loss_scale"] = {}
    content["trainer"] = TrainerState(**content["trainer"])
    content["top"] = [Ranked(*ranked) for ranked in content["top"]]
    content["evaluation"] = None if evaluation is None else Evaluation(*evaluation)
    return RunState(**content)
