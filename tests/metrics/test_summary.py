import math

import numpy as np
import pytest

from htsat.metrics.clip_based import accuracy, average_precision, d_prime, mean_average_precision, roc_auc
from htsat.metrics.summary import RankedClips


@pytest.fixture
def clips():
    """Scores and targets of one class each, `(400, 6)`."""
    rng = np.random.default_rng(5)
    targets = np.eye(6, dtype=np.float32)[rng.integers(6, size=400)]
    return (rng.standard_normal((400, 6)) + 1.5 * targets).astype(np.float32), targets


def test_the_summary_holds_the_metrics(clips):
    ranked = RankedClips.of(*clips, "multi_class")
    area = float(roc_auc(*clips).mean())
    assert ranked.summary() == pytest.approx(
        (accuracy(*clips), mean_average_precision(*clips), area, d_prime(area))
    )
    np.testing.assert_array_equal(ranked.per_class().average_precision, average_precision(*clips))


def test_multi_label_models_have_no_accuracy(clips):
    ranked = RankedClips.of(*clips, "multi_label")
    assert ranked.summary().accuracy is None
    assert ranked.interval_95(seed=0, n_resamples=10).accuracy is None


def test_the_interval_is_that_of_drawing_clips_anew(clips):
    scores, targets = clips
    rng = np.random.default_rng(0)
    drawn = [rng.integers(400, size=400) for _ in range(200)]
    expected = np.percentile([mean_average_precision(scores[d], targets[d]) for d in drawn], [2.5, 97.5])
    interval = RankedClips.of(scores, targets, "multi_class").interval_95(seed=1, n_resamples=2000)
    assert interval.mean_average_precision == pytest.approx(tuple(expected), abs=0.01)


def test_the_interval_of_accuracy_is_as_wide_as_the_binomial_one(clips):
    ranked = RankedClips.of(*clips, "multi_class")
    share = ranked.summary().accuracy
    half = 1.96 * math.sqrt(share * (1 - share) / 400)
    expected = pytest.approx((share - half, share + half), abs=0.006)
    assert ranked.interval_95(seed=0, n_resamples=2000).accuracy == expected


def test_intervals_repeat_with_the_seed_and_hold_the_figures(clips):
    ranked = RankedClips.of(*clips, "multi_class")
    intervals = ranked.interval_95(seed=4, n_resamples=150)
    assert intervals == ranked.interval_95(seed=4, n_resamples=150)
    assert intervals != ranked.interval_95(seed=5, n_resamples=150)
    for figure, (low, high) in zip(ranked.summary(), intervals, strict=True):
        assert low < figure < high


def test_figures_that_do_not_exist_have_no_interval():
    ranked = RankedClips.of(np.ones((4, 2), np.float32), np.zeros((4, 2), np.float32), "multi_label")
    assert np.isnan(ranked.summary()[1:]).all()
    assert np.isnan(ranked.interval_95(seed=0, n_resamples=10)[1:]).all()
