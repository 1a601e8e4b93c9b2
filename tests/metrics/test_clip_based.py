import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    log_loss,
    roc_auc_score,
)

from htsat.metrics import clip_based
from htsat.metrics.clip_based import (
    accuracy,
    average_precision,
    cross_entropy,
    d_prime,
    mean_average_precision,
    mean_over_classes,
    roc_auc,
)
from htsat.metrics.summary import RankedClips

one_decimal_makes_ties = pytest.mark.parametrize("decimals", [8, 1])


def scored_clips(decimals):
    rng = np.random.default_rng(0)
    scores = rng.random((200, 12)).round(decimals).astype(np.float32)
    return scores, (rng.random((200, 12)) < 0.2).astype(np.float32)


def one_class_each(n_clips, n_classes):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(n_classes), n_clips)
    true = rng.integers(n_classes, size=n_clips)
    return probabilities, true, np.eye(n_classes, dtype=np.float32)[true]


@one_decimal_makes_ties
def test_average_precision_equals_scikit_learn(decimals):
    scores, targets = scored_clips(decimals)
    expected = [average_precision_score(targets[:, k], scores[:, k]) for k in range(12)]
    np.testing.assert_allclose(average_precision(scores, targets), expected, rtol=0, atol=1e-9)


@one_decimal_makes_ties
def test_roc_auc_equals_scikit_learn(decimals):
    scores, targets = scored_clips(decimals)
    expected = [roc_auc_score(targets[:, k], scores[:, k]) for k in range(12)]
    np.testing.assert_allclose(roc_auc(scores, targets), expected, rtol=0, atol=1e-9)


def test_constant_scores_equal_scikit_learn():
    _, targets = scored_clips(8)
    scores = np.full_like(targets, 0.25)
    precision = [average_precision_score(targets[:, k], scores[:, k]) for k in range(12)]
    area = [roc_auc_score(targets[:, k], scores[:, k]) for k in range(12)]
    np.testing.assert_allclose(average_precision(scores, targets), precision, rtol=0, atol=1e-9)
    np.testing.assert_allclose(roc_auc(scores, targets), area, rtol=0, atol=1e-9)


@one_decimal_makes_ties
def test_the_means_are_those_of_scikit_learn_over_the_classes_with_positives(decimals):
    scores, targets = scored_clips(decimals)
    targets[:, [2, 7]] = 0
    kept = [k for k in range(12) if k not in (2, 7)]
    precision = average_precision_score(targets[:, kept], scores[:, kept], average="macro")
    area = roc_auc_score(targets[:, kept], scores[:, kept], average="macro")
    summary = RankedClips.of(scores, targets, "multi_label").summary()
    assert summary.mean_average_precision == pytest.approx(precision, abs=1e-9)
    assert summary.mean_roc_auc == pytest.approx(area, abs=1e-9)
    assert summary.d_prime == pytest.approx(math.sqrt(2) * norm.ppf(area), abs=1e-9)


def test_accuracy_equals_scikit_learn():
    probabilities, true, targets = one_class_each(300, 5)
    expected = accuracy_score(true, probabilities.argmax(axis=1))
    assert accuracy(probabilities, targets) == pytest.approx(expected, abs=1e-9)


def test_a_class_without_positives_is_left_out_of_the_mean():
    scores = np.array([[0.9, 0.1], [0.2, 0.3]], np.float32)
    targets = np.array([[1, 0], [0, 0]], np.float32)
    assert np.isnan(average_precision(scores, targets)[1])
    assert np.isnan(roc_auc(scores, targets)[1])
    assert mean_average_precision(scores, targets) == 1.0


def test_there_is_no_roc_area_without_negatives():
    scores = np.array([[0.9], [0.2]], np.float32)
    targets = np.ones((2, 1), np.float32)
    assert average_precision(scores, targets)[0] == 1.0
    assert np.isnan(roc_auc(scores, targets)[0])


def test_without_any_positives_there_is_no_mean():
    assert math.isnan(mean_average_precision(np.ones((3, 2), np.float32), np.zeros((3, 2), np.float32)))


def test_the_mean_over_classes_keeps_the_other_axes():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.nan]])
    np.testing.assert_array_equal(mean_over_classes(values), [2.0, 2.0, np.nan])


def test_accuracy_counts_clips_whose_best_class_is_true():
    scores = np.array([[0.9, 0.1], [0.2, 0.3], [0.6, 0.5]], np.float32)
    targets = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    assert accuracy(scores, targets) == pytest.approx(2 / 3)


@pytest.mark.parametrize("area", [0.01, 0.5, 0.9, 0.97, 0.99999])
def test_d_prime_is_the_normal_quantile_of_the_area(area):
    assert d_prime(area) == pytest.approx(math.sqrt(2) * norm.ppf(area), abs=1e-9)


def test_two_normal_distributions_have_the_d_prime_of_their_distance():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.standard_normal(20_000) + 1.7, rng.standard_normal(20_000)])[:, None]
    targets = np.repeat([1.0, 0.0], 20_000)[:, None]
    assert d_prime(roc_auc(scores, targets)[0]) == pytest.approx(1.7, abs=0.03)


def test_d_prime_of_a_perfect_order_is_infinite_and_of_none_does_not_exist():
    assert d_prime(1.0) == math.inf
    assert d_prime(0.0) == -math.inf
    assert math.isnan(d_prime(math.nan))


def test_confusion_matrix_equals_scikit_learn():
    probabilities, true, targets = one_class_each(300, 5)
    expected = confusion_matrix(true, probabilities.argmax(axis=1), labels=range(5))
    np.testing.assert_array_equal(clip_based.confusion_matrix(probabilities, targets), expected)


def test_cross_entropy_of_one_class_each_equals_scikit_learn():
    probabilities, true, targets = one_class_each(300, 5)
    expected = log_loss(true, probabilities, labels=range(5))
    assert cross_entropy(probabilities, targets, "multi_class").mean() == pytest.approx(expected, abs=1e-9)


def test_cross_entropy_of_many_classes_is_the_mean_over_them():
    probabilities, targets = scored_clips(8)
    expected = log_loss(targets[17], probabilities[17], labels=[0, 1])  # of 12 decisions
    assert cross_entropy(probabilities, targets, "multi_label")[17] == pytest.approx(expected, abs=1e-6)


def test_what_was_impossible_is_not_infinitely_surprising():
    certain = np.array([[1.0, 0.0]], np.float32)
    assert np.isfinite(cross_entropy(certain, certain[:, ::-1], "multi_class")).all()
    assert np.isfinite(cross_entropy(certain, certain[:, ::-1], "multi_label")).all()
