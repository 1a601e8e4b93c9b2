"""What a run has done so far, as its folder tells; nothing in it is needed but the log.

Imports no torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from htsat.errors import DataError
from htsat.training.log import LOG_NAME

EXPERIMENT_NAME = "experiment.json"


class StepPoint(NamedTuple):
    """Where the training stood; `epoch` counts what is behind it, `loss` is the mean since the last point."""

    epoch: float
    loss: float
    clips_per_s: float


class EvaluationPoint(NamedTuple):
    """How well held-out clips were heard.

    Accuracy is None where several classes are heard at once, mAP where no held-out clip has any class.
    """

    epoch: float
    loss: float
    accuracy: float | None
    mean_average_precision: float | None


@dataclass(frozen=True)
class History:
    """A run: its settings as they were saved, and what its log holds, in order."""

    folder: Path
    settings: dict[str, object]
    n_train_clips: int
    n_valid_clips: int
    n_broken: int
    steps: tuple[StepPoint, ...]
    evaluations: tuple[EvaluationPoint, ...]

    @property
    def n_epochs(self) -> int:
        """How many it was started for."""
        optimisation = self.settings["optimisation"]
        assert isinstance(optimisation, dict)
        return int(optimisation["epochs"])

    @property
    def epoch(self) -> float:
        """Where it stands."""
        return self.steps[-1].epoch if self.steps else 0.0

    @property
    def best(self) -> EvaluationPoint | None:
        """The evaluation with the highest mAP."""
        scored = [(point.mean_average_precision, point) for point in self.evaluations]
        existing = [(score, point) for score, point in scored if score is not None]
        return max(existing, key=lambda pair: pair[0])[1] if existing else None


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run."""
    return (folder / EXPERIMENT_NAME).is_file() and (folder / LOG_NAME).is_file()


def read_history(folder: Path) -> History:
    """Read the settings and the log of a run, which may be going on: a last line in the making is left out.

    Raises:
        DataError: when the folder holds no run, or its files are damaged.
    """
    if not is_run(folder):
        raise DataError(f"{folder}: no run (a run has {EXPERIMENT_NAME} and {LOG_NAME})")
    try:
        settings = json.loads((folder / EXPERIMENT_NAME).read_text(encoding="utf-8"))
        lines = (folder / LOG_NAME).read_text(encoding="utf-8").splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return _history(folder, settings, events)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{folder}: the settings or the log are damaged ({error!r:.200})") from None


def _history(folder: Path, settings: dict[str, object], events: list[dict[str, object]]) -> History:
    steps: list[StepPoint] = []
    evaluations: list[EvaluationPoint] = []
    counts = {"n_train_clips": 0, "n_valid_clips": 0}
    n_broken = 0
    for event in events:
        match event:
            case {"event": "step"}:
                steps.append(StepPoint(*(_number(event[name]) for name in StepPoint._fields)))
            case {"event": "evaluation"}:
                # Whatever epoch is written there, it stands after the last step.
                evaluations.append(_evaluation(event, steps[-1].epoch if steps else 0.0, settings))
            case {"event": "data"}:
                counts = {name: int(_number(event[name])) for name in counts}
        broken = event.get("broken")
        n_broken += len(broken) if isinstance(broken, list) else 0
    return History(
        folder, settings, **counts, n_broken=n_broken, steps=tuple(steps), evaluations=tuple(evaluations)
    )


def _evaluation(event: dict[str, object], epoch: float, settings: dict[str, object]) -> EvaluationPoint:
    precision = event["mean_average_precision"]
    has_accuracy = event.get("task", settings.get("task")) != "multi_label"
    return EvaluationPoint(
        epoch=epoch,
        loss=_number(event["loss"]),
        accuracy=_number(event["accuracy"]) if has_accuracy else None,
        mean_average_precision=None if precision is None else _number(precision),
    )


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {value!r}")
    return value
