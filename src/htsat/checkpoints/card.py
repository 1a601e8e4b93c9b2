"""What a model file says about itself beside the sizes of its network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from htsat.errors import CheckpointError
from htsat.labels import LabelSet
from htsat.rules import EventRules
from htsat.scores import Task


@dataclass(frozen=True)
class ModelCard:
    """Classes, task and origin of a model.

    `rules` say when each class counts as sounding. `provenance` holds short free facts (source, command,
    licence, digest of the file it was made from). An encoder has neither labels nor thresholds.

    Raises:
        CheckpointError: when the parts do not fit each other.
    """

    labels: LabelSet
    task: Task
    rules: EventRules
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise CheckpointError(f"unknown task {self.task!r} (there are: {', '.join(get_args(Task))})")
        if self.rules.n_classes != len(self.labels):
            raise CheckpointError(
                f"expected {len(self.labels)} thresholds, one per class, got {self.rules.n_classes}"
            )

    @property
    def thresholds(self) -> tuple[float, ...]:
        """One probability per class, above which it counts as sounding."""
        return self.rules.thresholds
