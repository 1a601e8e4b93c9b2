"""Metrics of tagging: one score per clip and class.

N clips, K classes.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from htsat.metrics.ranking import Doubles, Floats, measure, once, rank_classes
from htsat.scores import Task

_LEAST_PROBABILITY = 1e-9
"""What counts as impossible costs no more than this in the cross-entropy."""


def accuracy(scores: Floats, targets: Floats) -> float:
    """Share of clips whose highest score is at a true class. Shape: both `(N, K)`."""
    return float(np.mean(is_right(scores, targets)))


def is_right(scores: Floats, targets: Floats) -> NDArray[np.bool_]:
    """Whether the highest score of a clip is at a true class. Shape: both `(N, K)` -> `(N,)`."""
    right: NDArray[np.bool_] = targets[np.arange(len(targets)), scores.argmax(axis=1)] > 0
    return right


def average_precision(scores: Floats, targets: Floats) -> Doubles:
    """Area under the precision-recall steps of every class; NaN for a class without positives.

    Clips of equal score enter together, as in scikit-learn's `average_precision_score`.

    Shape: both `(N, K)` -> `(K,)`.
    """
    return measure(rank_classes(scores, targets), once(len(scores))).average_precision[:, 0]


def roc_auc(scores: Floats, targets: Floats) -> Doubles:
    """Share of the pairs of a positive and a negative clip that a class orders rightly, a tie as half.

    NaN for a class without positives or without negatives; equal to scikit-learn's `roc_auc_score`.

    Shape: both `(N, K)` -> `(K,)`.
    """
    return measure(rank_classes(scores, targets), once(len(scores))).roc_auc[:, 0]


def mean_over_classes(values: Doubles) -> Doubles:
    """Mean over the classes for which a metric exists, NaN without any. Shape: `(K, ...)` -> `(...)`."""
    exists = np.isfinite(values)
    n_existing = exists.sum(axis=0)
    sums = np.where(exists, values, 0.0).sum(axis=0)
    return np.where(n_existing > 0, sums / np.maximum(n_existing, 1), np.nan)


def mean_average_precision(scores: Floats, targets: Floats) -> float:
    """Mean over the classes that have positives (paper, section 4.1)."""
    return float(mean_over_classes(average_precision(scores, targets)))


def d_prime(roc_auc: float) -> float:
    """Separation of positives and negatives in standard deviations, `sqrt(2) * Phi^-1(area)`.

    That of two normal distributions of equal width with this area (official behaviour 10); infinite for 1.
    """
    if not 0 < roc_auc < 1:
        return math.nan if math.isnan(roc_auc) else math.copysign(math.inf, roc_auc - 0.5)
    return math.sqrt(2) * NormalDist().inv_cdf(roc_auc)


def confusion_matrix(scores: Floats, targets: Floats) -> NDArray[np.intp]:
    """Numbers of clips by true class (rows) and class of the highest score (columns).

    Shape: both `(N, K)`, one true class in each row -> `(K, K)`.
    """
    n_classes = scores.shape[1]
    cells = targets.argmax(axis=1) * n_classes + scores.argmax(axis=1)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


def cross_entropy(probabilities: Floats, targets: Floats, task: Task) -> Doubles:
    """How surprising the truth is to the model, in nats; the mean over the classes if multi-label.

    Shape: both `(N, K)` -> `(N,)`; one true class in each row if multi-class.
    """
    is_true = targets > 0
    if task == "multi_class":
        return _surprise(probabilities[is_true])
    mean: Doubles = _surprise(np.where(is_true, probabilities, 1 - probabilities)).mean(axis=1)
    return mean


def _surprise(probabilities: Floats) -> Doubles:
    return -np.log(np.maximum(probabilities, _LEAST_PROBABILITY, dtype=np.float64))
