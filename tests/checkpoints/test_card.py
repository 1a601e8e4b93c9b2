from __future__ import annotations

import pytest

from htsat.checkpoints import ModelCard, default_thresholds
from htsat.errors import CheckpointError
from htsat.labels import LabelSet

LABELS = LabelSet.of(["dog", "rain"])


def test_untuned_thresholds_suit_the_task():
    assert default_thresholds("multi_label", 3) == (0.25, 0.25, 0.25)
    assert default_thresholds("multi_class", 2) == (0.5, 0.5)


def test_an_unknown_task_is_refused():
    with pytest.raises(CheckpointError, match=r"^unknown task 'both' \(there are: multi_label, "):
        ModelCard(LABELS, "both", (0.5, 0.5))


def test_every_class_needs_a_threshold():
    with pytest.raises(CheckpointError, match=r"^expected 2 thresholds, one per class, got 1$"):
        ModelCard(LABELS, "multi_label", (0.5,))


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan"), float("inf")])
def test_thresholds_are_probabilities(threshold):
    with pytest.raises(CheckpointError, match=rf"threshold of 'rain' must lie in \[0, 1\], got {threshold}"):
        ModelCard(LABELS, "multi_label", (0.5, threshold))
