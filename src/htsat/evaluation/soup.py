"""Which models to average: all of them, or those that raise a held-out score (Wortsman et al., 2022).

Knows members by their number only; how the mean of some of them is made and heard is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from htsat.errors import DataError
from htsat.metrics.summary import Summary

Method = Literal["uniform", "greedy"]

Score = Callable[[Sequence[int]], Summary[float]]
"""The figures of the mean of some members, on held-out clips; of one number, those of that member."""


class Soup(NamedTuple):
    """The members that were averaged, with the figures of each member alone and of the mean."""

    kept: tuple[int, ...]
    before: tuple[Summary[float], ...]
    after: Summary[float]


def make_soup(method: Method, n_members: int, score: Score) -> Soup:
    """Choose members and score their mean.

    `uniform` takes all. `greedy` begins with the best (by mAP, the first of equals) and lets the others in
    from the next best on, each if the mAP of the mean does not fall.
    """
    before = tuple(score([member]) for member in range(n_members))
    if method == "uniform":
        everybody = tuple(range(n_members))
        return Soup(everybody, before, score(everybody))
    return _greedy(before, score)


def _greedy(before: tuple[Summary[float], ...], score: Score) -> Soup:
    order = sorted(range(len(before)), key=lambda member: -before[member].mean_average_precision)
    kept, best = order[:1], before[order[0]]
    if math.isnan(best.mean_average_precision):
        raise DataError("no recording has any class: there is no mAP to choose members by")
    for member in order[1:]:
        tried = score([*kept, member])
        if tried.mean_average_precision >= best.mean_average_precision:
            kept, best = [*kept, member], tried
    return Soup(tuple(kept), before, best)
