"""Operating points of a class over all thresholds, and the step function that they span.

N changes, P operating points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


class Changes(NamedTuple):
    """What changes when the threshold of a class falls below a score. Shape: `(N,)` each.

    `false_rates` are changes of the effective rate of false positives per hour, `n_true` of the number of
    true positives.
    """

    classes: NDArray[np.int32]
    scores: NDArray[np.floating]
    false_rates: Doubles
    n_true: NDArray[np.int8]

    @classmethod
    def joined(cls, parts: Sequence[Changes]) -> Changes:
        """The changes of several recordings."""
        if not parts:
            return cls(np.zeros(0, np.int32), np.zeros(0), np.zeros(0), np.zeros(0, np.int8))
        classes, scores, false_rates, n_true = (np.concatenate(c) for c in zip(*parts, strict=True))
        return cls(classes, scores, false_rates, n_true)

    def where(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Changes:
        """Some of the changes."""
        return Changes(
            self.classes[chosen], self.scores[chosen], self.false_rates[chosen], self.n_true[chosen]
        )

    def __len__(self) -> int:
        return len(self.classes)


class Roc(NamedTuple):
    """True positive rate of a class as a step function of its effective false positive rate per hour.

    Shape: `(P,)` each. Both rates rise, from no false positives on. A point is reached when frames with
    scores of at least `scores` are detected (infinite: none at all), and holds up to the next point.
    """

    false_rates: Doubles
    true_rates: Doubles
    scores: NDArray[np.floating]

    @classmethod
    def of(cls, changes: Changes, n_events: int, max_false_rate: float) -> Roc:
        """The best operating points of a class that has so many true events."""
        falling = changes.where(np.argsort(-changes.scores, kind="stable"))
        # Equal scores are passed at once: only what holds after the last of them is an operating point.
        last = np.append(np.diff(falling.scores) != 0, True)[: len(falling.scores)]
        return _best(
            np.append(0.0, np.cumsum(falling.false_rates)[last]),
            np.append(0.0, np.cumsum(falling.n_true, dtype=np.int64)[last] / n_events),
            np.append(np.inf, falling.scores[last]),
            max_false_rate,
        )

    @classmethod
    def best_of(cls, rocs: Iterable[Roc]) -> Roc:
        """At every rate of false positives the best point of several; at least one."""
        points = [np.concatenate(column) for column in zip(*rocs, strict=True)]
        return _best(points[0], points[1], points[2], np.inf)

    def at(self, false_rates: Doubles) -> Doubles:
        """True positive rates at some rates of false positives, none of them negative."""
        return self.true_rates[np.searchsorted(self.false_rates, false_rates, side="right") - 1]

    def area(self, max_false_rate: float) -> float:
        """Area below the steps as a share of the whole rectangle."""
        return step_area(self.false_rates, self.true_rates, max_false_rate)


def step_area(false_rates: Doubles, true_rates: Doubles, max_false_rate: float) -> float:
    """Area below steps that begin at rising false positive rates, as a share of the whole rectangle."""
    widths = np.diff(np.append(false_rates, max_false_rate))
    return float(true_rates @ widths) / max_false_rate


def _best(
    false_rates: Doubles, true_rates: Doubles, scores: NDArray[np.floating], max_false_rate: float
) -> Roc:
    """The points that no other one beats with as few false positives."""
    # Sums of changes that cancel out may end a rounding error beside nothing.
    false_rates = np.maximum(false_rates, 0.0)
    order = np.lexsort((-true_rates, false_rates))
    order = order[false_rates[order] <= max_false_rate]
    reached = np.maximum.accumulate(true_rates[order])
    order = order[np.append(True, reached[1:] > reached[:-1])]
    return Roc(false_rates[order], true_rates[order], scores[order])
