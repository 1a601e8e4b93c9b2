"""The curves of `event_curves` for rules that are tried one after the other, of all recordings at once.

What many rules share is kept: medians, and boxes before short ones are left out.

N frames of the axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from htsat.evaluation.event_curves import gap_frames, min_frames, step_frames
from htsat.evaluation.order_statistics import OrderStatistics
from htsat.evaluation.strip_boxes import Candidates, box_row, find_candidates, running_sums
from htsat.evaluation.strips import Layout, Part
from htsat.rules import EventRules
from htsat.scores import FloatArray, FrameScores, probabilities

RulesOfClass = Mapping[str, float]
"""The rules of one class by name."""


class ClassCurves(Protocol):
    """Makes the curves of one class."""

    def row(self, rules: RulesOfClass) -> FloatArray:
        """The curve of all recordings with some rules, `(N,)`."""


class FrameCurves:
    """For rules on frames. Between recordings there must be room for the longest gap and duration."""

    N_SIDES = 1

    def __init__(self, scores: Sequence[FrameScores], layout: Layout, index: int) -> None:
        self._layout = layout
        self._row = layout.row([own.probabilities for own in scores], index)
        self._gate = layout.row([probabilities(own.clip_logits, own.task) for own in scores], index)
        self._medians: dict[float, FloatArray] = {}

    def row(self, rules: RulesOfClass) -> FloatArray:
        """See `ClassCurves`."""
        width_s, gap_s = rules["median_filter_s"], rules["max_gap_s"]
        if width_s not in self._medians:
            self._medians[width_s] = self._median(width_s)
        is_open = self._gate >= np.float32(rules["clip_threshold"])
        row = np.where(is_open, self._medians[width_s], np.float32(0))
        closed = _by_part(row, self._layout, lambda part: gap_frames(gap_s, part.frame_s) + 1, _closed)
        return _long_enough(closed, self._layout, rules["min_duration_s"])

    def _median(self, width_s: float) -> FloatArray:
        """The lower median of the frames there are around each, `(N,)`."""
        frames, begins, ends = self._layout.inside
        reaches = np.empty(len(frames), np.intp)
        for part in self._layout.parts:
            own = slice(*np.searchsorted(frames, [part.frames.start, part.frames.stop]))
            reaches[own] = EventRules((0.0,), width_s).median_filter_frames(part.frame_s)[0] // 2
        starts, stops = np.maximum(frames - reaches, begins), np.minimum(frames + reaches + 1, ends)
        median = np.zeros_like(self._row)
        median[frames] = self._orders.smallest(starts, stops, (stops - starts - 1) // 2)
        return median

    @cached_property
    def _orders(self) -> OrderStatistics:
        return OrderStatistics(self._row)


class BoxCurves:
    """For boxes. Between recordings there must be room for the longest step twice."""

    N_SIDES = 2

    def __init__(self, scores: Sequence[FrameScores], layout: Layout, index: int) -> None:
        self._layout = layout
        self._totals = running_sums(layout.row([own.probabilities for own in scores], index))
        self._candidates: dict[float, list[Candidates]] = {}
        self._boxes: dict[tuple[float, float, float], FloatArray] = {}

    def row(self, rules: RulesOfClass) -> FloatArray:
        """See `ClassCurves`."""
        step_s, dips = rules["step_s"], (rules["max_dip"], rules["max_relative_dip"])
        if step_s not in self._candidates:
            self._candidates[step_s] = [self._found(step_s, part) for part in self._layout.parts]
        if (step_s, *dips) not in self._boxes:
            n_frames = self._layout.n_frames
            rows = [box_row(own, *dips, n_frames) for own in self._candidates[step_s]]
            self._boxes[step_s, *dips] = np.max(rows, axis=0)
        return _long_enough(self._boxes[step_s, *dips], self._layout, rules["min_duration_s"])

    def _found(self, step_s: float, part: Part) -> Candidates:
        step = min(step_frames(step_s, part.frame_s), part.n_longest)
        return find_candidates(self._totals, self._layout, part, step)


def _long_enough(row: FloatArray, layout: Layout, min_duration_s: float) -> FloatArray:
    return _by_part(row, layout, lambda part: min_frames(min_duration_s, part.frame_s), _opened)


def _by_part(
    row: FloatArray,
    layout: Layout,
    width: Callable[[Part], int],
    operation: Callable[[FloatArray, int], FloatArray],
) -> FloatArray:
    """A row after an operation over some frames; what is longer than a recording is as good as endless."""
    changed = row.copy()
    for part in layout.parts:
        n_frames = min(width(part), part.n_longest + 1)
        if n_frames > 1:
            changed[part.frames] = operation(row[part.frames], n_frames)
    return changed


def _closed(row: FloatArray, width: int) -> FloatArray:
    """Valleys of fewer frames than `width` are filled; the row must begin and end with as many zeros."""
    return _around(row, width, np.maximum, np.minimum)


def _opened(row: FloatArray, width: int) -> FloatArray:
    """Peaks of fewer frames than `width` are cut off; the row must begin and end with as many zeros."""
    return _around(row, width, np.minimum, np.maximum)


def _around(row: FloatArray, width: int, first: np.ufunc, second: np.ufunc) -> FloatArray:
    changed = np.zeros_like(row)
    changed[width - 1 : 1 - width] = _from_here(_from_here(row, width, first), width, second)
    return changed


def _from_here(row: FloatArray, width: int, larger: np.ufunc) -> FloatArray:
    """The maximum (or minimum) over each frame and those after it: twice as many with every step."""
    reached, n_reached = row, 1
    while n_reached < width:
        step = min(n_reached, width - n_reached)
        reached = larger(reached[:-step], reached[step:])
        n_reached += step
    return reached
