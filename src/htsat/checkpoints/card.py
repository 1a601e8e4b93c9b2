"""What a model file says about itself beside the sizes of its network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from htsat.errors import CheckpointError
from htsat.labels import LabelSet
from htsat.scores import Task

# Multi-label: thresholds published for AudioSet probabilities lie around a quarter (official behaviour 12).
# Multi-class: the probabilities compete, so an active class holds the majority.
_DEFAULT_THRESHOLDS: dict[Task, float] = {"multi_label": 0.25, "multi_class": 0.5}


def default_thresholds(task: Task, n_classes: int) -> tuple[float, ...]:
    """Thresholds of a model that nobody has tuned: 0.25 for multi-label, 0.5 for multi-class."""
    return (_DEFAULT_THRESHOLDS[task],) * n_classes


@dataclass(frozen=True)
class ModelCard:
    """Classes, task and origin of a model.

    `thresholds` holds one probability per class, above which a frame counts as active. `provenance` holds
    short free facts (source, command, licence, digest of the file it was made from). An encoder has neither
    labels nor thresholds.

    Raises:
        CheckpointError: when the parts do not fit each other.
    """

    labels: LabelSet
    task: Task
    thresholds: tuple[float, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise CheckpointError(f"unknown task {self.task!r} (there are: {', '.join(get_args(Task))})")
        if len(self.thresholds) != len(self.labels):
            raise CheckpointError(
                f"expected {len(self.labels)} thresholds, one per class, got {len(self.thresholds)}"
            )
        for label, threshold in zip(self.labels, self.thresholds, strict=True):
            if not 0.0 <= threshold <= 1.0:
                raise CheckpointError(f"threshold of {label!r} must lie in [0, 1], got {threshold}")
