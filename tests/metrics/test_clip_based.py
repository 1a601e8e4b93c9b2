import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from htsat.metrics.clip_based import accuracy, average_precision, mean_average_precision


@pytest.mark.parametrize("decimals", [8, 1])  # one decimal makes many ties
def test_average_precision_equals_scikit_learn(decimals):
    rng = np.random.default_rng(0)
    scores = rng.random((200, 12)).round(decimals).astype(np.float32)
    targets = (rng.random((200, 12)) < 0.2).astype(np.float32)
    expected = [average_precision_score(targets[:, k], scores[:, k]) for k in range(12)]
    np.testing.assert_allclose(average_precision(scores, targets), expected, atol=1e-9)


def test_a_class_without_positives_is_left_out_of_the_mean():
    scores = np.array([[0.9, 0.1], [0.2, 0.3]], np.float32)
    targets = np.array([[1, 0], [0, 0]], np.float32)
    assert np.isnan(average_precision(scores, targets)[1])
    assert mean_average_precision(scores, targets) == 1.0


def test_accuracy_counts_clips_whose_best_class_is_true():
    scores = np.array([[0.9, 0.1], [0.2, 0.3], [0.6, 0.5]], np.float32)
    targets = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    assert accuracy(scores, targets) == pytest.approx(2 / 3)
