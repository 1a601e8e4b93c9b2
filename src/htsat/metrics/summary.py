"""The figures of a model on a set of clips, and how far they would move with other clips.

N clips, K classes, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from htsat.metrics.clip_based import d_prime, is_right, mean_over_classes
from htsat.metrics.ranking import Doubles, Floats, Ranking, RankMetrics, measure, once, rank_classes
from htsat.scores import Task

Figure = TypeVar("Figure")

N_RESAMPLES = 1000
_RESAMPLES_AT_ONCE = 100
"""Bounds the memory, and keeps the counts of 20,000 clips in the processor's cache."""


class Summary(NamedTuple, Generic[Figure]):
    """One figure of each kind; accuracy is None for multi-label models.

    Means are over the classes that have positives (and, for the ROC area, negatives).
    """

    accuracy: Figure | None
    mean_average_precision: Figure
    mean_roc_auc: Figure
    d_prime: Figure


class Interval(NamedTuple):
    """Bounds; NaN where a figure does not exist."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class RankedClips:
    """Scored clips, sorted once for every class: what all figures are counted from.

    Shape: `rankings` K of them; `is_right` `(N,)`, None for multi-label.
    """

    rankings: tuple[Ranking, ...]
    is_right: NDArray[np.bool_] | None
    n_clips: int

    @classmethod
    def of(cls, scores: Floats, targets: Floats, task: Task) -> RankedClips:
        """Sort the clips. Shape: both `(N, K)`."""
        right = is_right(scores, targets) if task == "multi_class" else None
        return cls(rank_classes(scores, targets), right, len(scores))

    def per_class(self) -> RankMetrics:
        """Average precision and ROC area of every class. Shape: `(K,)` each."""
        metrics = measure(self.rankings, once(self.n_clips))
        return RankMetrics(metrics.average_precision[:, 0], metrics.roc_auc[:, 0])

    def summary(self) -> Summary[float]:
        """The figures."""
        precision, area = (float(mean_over_classes(values)) for values in self.per_class())
        accuracy = None if self.is_right is None else float(self.is_right.mean())
        return Summary(accuracy, precision, area, d_prime(area))

    def interval_95(self, seed: int, n_resamples: int = N_RESAMPLES) -> Summary[Interval]:
        """Percentile intervals of the bootstrap over clips: clips drawn anew, with repetition.

        A class whose positives were not drawn is left out of the means of that resample.
        """
        rng = np.random.default_rng(seed)
        parts = [self._resample(counts) for counts in _draws(self.n_clips, n_resamples, rng)]
        columns = (np.concatenate(column) for column in zip(*parts, strict=True))
        accuracy, precision, area = map(_middle_95, columns)
        return Summary(
            accuracy if self.is_right is not None else None,
            precision,
            area,
            Interval(*map(d_prime, area)),
        )

    def _resample(self, counts: Floats) -> tuple[Doubles, Doubles, Doubles]:
        """Accuracy (NaN for multi-label), mean average precision and mean ROC area. Shape: `(R,)` each."""
        metrics = measure(self.rankings, counts)
        precision, area = (mean_over_classes(values) for values in metrics)
        if self.is_right is None:
            return np.full_like(area, np.nan), precision, area
        return counts[self.is_right].sum(axis=0, dtype=np.float64) / self.n_clips, precision, area


def _draws(n_clips: int, n_resamples: int, rng: np.random.Generator) -> Iterator[Floats]:
    """How often each clip was drawn, some resamples at a time. Shape: `(N, R)`, sums exact in float32."""
    for start in range(0, n_resamples, _RESAMPLES_AT_ONCE):
        n_now = min(_RESAMPLES_AT_ONCE, n_resamples - start)
        drawn = rng.integers(n_clips, size=(n_now, n_clips))
        counts = [np.bincount(clips, minlength=n_clips) for clips in drawn]
        yield np.stack(counts, axis=1).astype(np.float32)


def _middle_95(values: Doubles) -> Interval:
    existing = values[np.isfinite(values)]
    if not len(existing):
        return Interval(np.nan, np.nan)
    low, high = np.percentile(existing, [2.5, 97.5])
    return Interval(float(low), float(high))
