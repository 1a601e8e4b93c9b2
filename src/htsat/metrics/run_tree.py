"""All runs of frames that any threshold detects, of many score curves at once.

At a threshold, a detection is a run of frames with higher scores. While the threshold falls, runs appear,
grow and flow together; each run is there from the lowest of its scores down to the higher one of its two
neighbours. So the runs form a tree of as many nodes as there are frames at most, whatever the number of
thresholds (the Cartesian tree of the scores).

T frames, K score curves, N runs, P places: the frames above the floor, with a separator around each stretch.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Indices = NDArray[np.intp]


class RunTree(NamedTuple):
    """Runs sorted by score curve. Shape: `(N,)` each.

    A run covers the frames from `starts` up to, not including, `stops` and is a detection while the threshold
    is below `levels`, the lowest score in it, and not yet below the level of the run among `parents` in
    which it ends; that is N where there is none above the floor.
    """

    curves: Indices
    levels: Scores
    starts: Indices
    stops: Indices
    parents: Indices

    def changes(self, amounts: NDArray[Any]) -> NDArray[np.float64]:
        """By how much the sum over all detections changes when the threshold falls below a run's level.

        Shape: `(N,)` in and out. `amounts` is what each run adds to the sum while it is a detection.
        """
        n_runs = len(amounts)
        ended = np.bincount(self.parents, amounts, minlength=n_runs + 1)[:n_runs]
        changes: NDArray[np.float64] = amounts - ended
        return changes


def run_tree(scores: Scores, floors: Scores) -> RunTree:
    """The runs at all thresholds that are not below the floor of a curve.

    Shape: `scores` `(T, K)`, `floors` `(K,)`. A score of minus infinity is never detected.
    """
    curves, frames = np.nonzero(np.ascontiguousarray((scores > floors).T))
    places = _places(curves * (len(scores) + 1) + frames)
    n_places = places[-1] + 2 if len(places) else 1
    levels = np.full(n_places, -np.inf, scores.dtype)
    levels[places] = scores[frames, curves]
    left = _nearest(levels, places, -1, operator.gt)
    right = _nearest(levels, places, 1, operator.ge)
    # Of frames with equal scores in one run the first stands for the run.
    is_run = levels[left[places]] < levels[places]
    runs = places[is_run]
    left_of, right_of = left[runs], right[runs]
    neighbours = np.where(levels[left_of] >= levels[right_of], left_of, right_of)
    frame_at = np.zeros(n_places, np.intp)
    frame_at[places] = frames
    return RunTree(
        curves=curves[is_run],
        levels=levels[runs],
        starts=frame_at[left_of + 1],
        stops=frame_at[right_of - 1] + 1,
        parents=_run_numbers(n_places, runs, places[~is_run], left)[neighbours],
    )


def _places(positions: Indices) -> Indices:
    """Where frames go so that a place stays free before and after each stretch of successive positions."""
    begins = np.ones(len(positions), bool)
    begins[1:] = np.diff(positions) != 1
    places: Indices = np.arange(len(positions)) + np.cumsum(begins)
    return places


def _nearest(
    levels: Scores, places: Indices, step: int, goes_on: Callable[[Scores, Scores], NDArray[np.bool_]]
) -> Indices:
    """The nearest place to one side at which the search does not go on. Shape: `(P,)`.

    All between a place and its nearest one are higher, so a search may jump from there to the nearest one of
    that; all searches jump together until none is left.
    """
    nearest = np.arange(len(levels)) + step
    searching = places
    while len(searching):
        reached = nearest[searching]
        on = goes_on(levels[reached], levels[searching])
        searching = searching[on]
        nearest[searching] = nearest[reached[on]]
    return nearest


def _run_numbers(n_places: int, runs: Indices, others: Indices, left: Indices) -> Indices:
    """The number of the run for which a frame stands, or with whose first frame it is equal; else N."""
    same = np.arange(n_places)
    same[others] = left[others]
    while len(others := others[same[same[others]] != same[others]]):
        same[others] = same[same[others]]
    numbers = np.full(n_places, len(runs))
    numbers[runs] = np.arange(len(runs))
    return numbers[same]
