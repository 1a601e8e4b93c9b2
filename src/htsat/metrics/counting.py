"""Detections counted against the truth, and the F scores of the counts.

K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Counts:
    """What was found, what was invented and what was missed in each class. Shape: `(K,)` each.

    What is counted is the metric's choice: true events, detections or segments.
    """

    true_positives: Numbers
    false_positives: Numbers
    false_negatives: Numbers

    @property
    def has_reference(self) -> NDArray[np.bool_]:
        """Whether there was anything to find in a class."""
        return self.true_positives + self.false_negatives > 0

    def f_scores(self) -> NDArray[np.float64]:
        """F score of each class; 0 without true positives, NaN without reference and estimate."""
        return _f_score(self.true_positives, self.false_positives, self.false_negatives)

    def macro_f(self) -> float:
        """Mean F score over the classes that have a reference; NaN if none has.

        These are the classes over which `sed_eval` takes its mean, whose F scores are NaN for the others; but
        a class without true positives counts 0 here, whatever was estimated.
        """
        chosen = self.f_scores()[self.has_reference]
        return float(chosen.mean()) if len(chosen) else float("nan")

    def micro_f(self) -> float:
        """F score of the sums over all classes; NaN without reference and estimate."""
        sums = (n.sum() for n in (self.true_positives, self.false_positives, self.false_negatives))
        return float(_f_score(*map(np.atleast_1d, sums))[0])


def _f_score(
    true_positives: Numbers, false_positives: Numbers, false_negatives: Numbers
) -> NDArray[np.float64]:
    doubled = 2.0 * true_positives
    whole = doubled + false_positives + false_negatives
    scores: NDArray[np.float64] = np.full(len(whole), np.nan)
    np.divide(doubled, whole, out=scores, where=whole > 0)
    return scores
