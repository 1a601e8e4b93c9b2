"""Metrics of tagging: one score per clip and class.

N clips, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htsat.scores import FloatArray


def accuracy(scores: FloatArray, targets: FloatArray) -> float:
    """Share of clips whose highest score is at a true class. Shape: both `(N, K)`."""
    best = scores.argmax(axis=1)
    return float(np.mean(targets[np.arange(len(targets)), best] > 0))


def average_precision(scores: FloatArray, targets: FloatArray) -> NDArray[np.float64]:
    """Area under the precision-recall steps of every class; NaN for a class without positives.

    Clips of equal score enter together, as in scikit-learn's `average_precision_score`.

    Shape: both `(N, K)` -> `(K,)`.
    """
    columns = zip(scores.T, targets.T > 0, strict=True)
    return np.array([_average_precision(score, heard) for score, heard in columns])


def _average_precision(scores: FloatArray, heard: NDArray[np.bool_]) -> float:
    if not heard.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # last clip of each tie
    true_positives = np.cumsum(heard[order])[ends]
    precision = true_positives / (ends + 1)
    recall_steps = np.diff(true_positives, prepend=0) / heard.sum()
    return float(precision @ recall_steps)


def mean_average_precision(scores: FloatArray, targets: FloatArray) -> float:
    """Mean over the classes that have positives (paper, section 4.1)."""
    return float(np.nanmean(average_precision(scores, targets)))
