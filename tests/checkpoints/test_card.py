from __future__ import annotations

import pytest

from htsat.checkpoints import ModelCard
from htsat.errors import CheckpointError
from htsat.labels import LabelSet
from htsat.rules import EventRules

LABELS = LabelSet.of(["dog", "rain"])


def test_an_unknown_task_is_refused():
    with pytest.raises(CheckpointError, match=r"^unknown task 'both' \(there are: multi_label, "):
        ModelCard(LABELS, "both", EventRules((0.5, 0.5)))


def test_every_class_needs_a_threshold():
    with pytest.raises(CheckpointError, match=r"^expected 2 thresholds, one per class, got 1$"):
        ModelCard(LABELS, "multi_label", EventRules((0.5,)))
