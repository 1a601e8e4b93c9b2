"""Average precision and ROC area of every class, for many weightings of the same clips at once.

A bootstrap asks for the same metrics a thousand times, with other numbers of copies of each clip. The order
of the clips stays the same, so each class is sorted once, and only where its positives stand is counted.

N clips, K classes, R resamples, P positives of a class, G groups of clips with equal score that hold
positives, S segments.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]
_Places = NDArray[np.intp]


class RankMetrics(NamedTuple):
    """NaN where a class has no positives, or for the ROC area no negatives. Shape: both `(..., R)`."""

    average_precision: Doubles
    roc_auc: Doubles


@dataclass(frozen=True, eq=False)
class Ranking:
    """The clips of one class from the highest score to the lowest, in groups of equal score.

    Shape: `order` `(N,)` clips by rank; `positives` `(P,)` clips by rank; `first_positives` `(G,)` the place
    in `positives` where each group begins; `starts`, `stops` `(G,)` ranks that bound the groups.
    """

    order: _Places
    positives: _Places
    first_positives: _Places
    starts: _Places
    stops: _Places

    @classmethod
    def of(cls, scores: Floats, is_positive: NDArray[np.bool_]) -> Ranking:
        """Rank the clips of one class. Shape: both `(N,)`."""
        order = np.argsort(-scores, kind="stable")
        begins_group = np.append(True, np.diff(scores[order]) != 0)
        bounds = np.append(np.flatnonzero(begins_group), len(order))
        ranks = np.flatnonzero(is_positive[order])
        groups, first_positives = np.unique((np.cumsum(begins_group) - 1)[ranks], return_index=True)
        return cls(order, order[ranks], first_positives, bounds[groups], bounds[groups + 1])

    def measure(self, counts: Floats) -> RankMetrics:
        """Both metrics when every clip is there so many times. Shape: `(N, R)` -> `(R,)` each.

        Clips of equal score enter together, as in scikit-learn's `average_precision_score`, and count as
        half won in the ROC area, as in its `roc_auc_score`.
        """
        n_above, n_until, n_all = self._count_clips(counts)
        true = np.add.reduceat(counts[self.positives], self.first_positives, axis=0).astype(np.float64)
        true_until = np.cumsum(true, axis=0)
        n_positives = true.sum(axis=0)
        # A group of which no clip was drawn has no precision, and no weight either.
        precision = true_until / np.maximum(n_until, 1)
        false_above = n_above - (true_until - true)
        false_until = n_until - true_until
        n_negatives = n_all - n_positives
        won = n_negatives - (false_above + false_until) / 2
        return RankMetrics(
            _ratio((true * precision).sum(axis=0), n_positives),
            _ratio((true * won).sum(axis=0), n_positives * n_negatives),
        )

    def _count_clips(self, counts: Floats) -> tuple[Doubles, Doubles, Doubles]:
        """Clips above each group `(G, R)`, down to its end `(G, R)`, and all `(R,)`."""
        bounds = np.unique(np.concatenate([[0], self.starts, self.stops, [len(self.order)]]))
        segments = np.add.reduceat(counts[self.order], bounds[:-1], axis=0)
        n_until_bound = np.cumsum(segments, axis=0, dtype=np.float64)
        n_before_bound = np.concatenate([np.zeros((1, counts.shape[1])), n_until_bound])
        above = n_before_bound[np.searchsorted(bounds, self.starts)]
        until = n_before_bound[np.searchsorted(bounds, self.stops)]
        return above, until, n_before_bound[-1]


def rank_classes(scores: Floats, targets: Floats) -> tuple[Ranking, ...]:
    """The ranking of every class. Shape: both `(N, K)`."""
    return tuple(Ranking.of(*column) for column in zip(scores.T, targets.T > 0, strict=True))


def measure(rankings: Iterable[Ranking], counts: Floats) -> RankMetrics:
    """Both metrics of every class. Shape: `(N, R)` -> `(K, R)` each."""
    metrics = [ranking.measure(counts) for ranking in rankings]
    return RankMetrics(*(np.stack(column) for column in zip(*metrics, strict=True)))


def once(n_clips: int) -> Floats:
    """Every clip is there once: the counts of the metrics themselves. Shape: `(N, 1)`."""
    return np.ones((n_clips, 1), np.float32)


def _ratio(part: Doubles, whole: Doubles) -> Doubles:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
