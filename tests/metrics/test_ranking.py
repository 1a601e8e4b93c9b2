import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from htsat.metrics.ranking import Ranking, measure, once, rank_classes


@pytest.mark.parametrize("decimals", [8, 1])  # one decimal makes many ties
def test_counts_are_copies_of_clips(decimals):
    rng = np.random.default_rng(3)
    scores = rng.random((120, 4)).round(decimals).astype(np.float32)
    targets = (rng.random((120, 4)) < 0.15).astype(np.float32)
    counts = rng.integers(0, 4, size=(120, 6)).astype(np.float32)
    metrics = measure(rank_classes(scores, targets), counts)
    for k in range(4):
        for r in range(6):
            copies = np.repeat(np.arange(120), counts[:, r].astype(int))
            truth, heard = targets[copies, k], scores[copies, k]
            assert metrics.average_precision[k, r] == pytest.approx(
                average_precision_score(truth, heard), abs=1e-9
            )
            assert metrics.roc_auc[k, r] == pytest.approx(roc_auc_score(truth, heard), abs=1e-9)


def test_a_resample_without_positives_has_no_metrics():
    ranking = Ranking.of(np.array([0.9, 0.5, 0.1]), np.array([True, False, False]))
    metrics = ranking.measure(np.array([[0, 1], [2, 1], [1, 1]], np.float32))
    np.testing.assert_array_equal(metrics.average_precision, [np.nan, 1.0])
    np.testing.assert_array_equal(metrics.roc_auc, [np.nan, 1.0])


def test_a_class_without_positives_has_no_metrics():
    metrics = Ranking.of(np.array([0.9, 0.5]), np.array([False, False])).measure(once(2))
    assert np.isnan(metrics.average_precision).all()
    assert np.isnan(metrics.roc_auc).all()


def test_one_score_for_all_orders_nothing():
    metrics = Ranking.of(np.full(10, 0.3), np.arange(10) < 4).measure(once(10))
    assert metrics.average_precision[0] == pytest.approx(0.4)
    assert metrics.roc_auc[0] == pytest.approx(0.5)
