"""Scores of a recording as curves for the eye: the largest probability in every short stretch of time.

N stretches, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from htsat.labels import LabelSet
from htsat.pictures.pooling import RunningPool
from htsat.scores import FloatArray, FrameGrid, FrameScores

_MAX_STRETCHES = 6000
"""Kept of a recording, however long: twelve rows of 500."""


@dataclass(frozen=True, eq=False)
class ScoreCurves:
    """Shape: `probabilities` `(N, K)`, on a grid of N stretches."""

    probabilities: FloatArray
    grid: FrameGrid
    labels: LabelSet

    def between(self, start_s: float, stop_s: float, label: str) -> tuple[FloatArray, FloatArray]:
        """The curve of one class where it lies in a part of the recording, and its boundaries."""
        boundaries_s = self.grid.boundaries_s
        first = self.grid.frame_at(start_s)
        last = max(first + 1, int(np.searchsorted(boundaries_s, stop_s)))
        curve = self.probabilities[first:last, self.labels.index(label)]
        return curve, boundaries_s[first : last + 1].astype(np.float32)

    def shifted(self, by_s: float) -> ScoreCurves:
        """The same curves, later by so many seconds."""
        return ScoreCurves(self.probabilities, FrameGrid(self.grid.boundaries_s + by_s), self.labels)


class RunningCurves:
    """Takes the frame scores of a recording piece by piece; memory does not grow with their number."""

    def __init__(self, labels: LabelSet, frame_s: float, max_stretches: int = _MAX_STRETCHES) -> None:
        self._labels = labels
        self._frame_s = frame_s
        self._pool = RunningPool(max_stretches, np.maximum)
        self._end_s = 0.0

    def push(self, scores: FrameScores) -> None:
        """Take the next frames."""
        if scores.grid.n_frames:
            self._pool.push(scores.probabilities)
            self._end_s = float(scores.grid.boundaries_s[-1])

    def finish(self) -> ScoreCurves:
        """The recording has ended, after at least one frame."""
        pooled, n_together = self._pool.finish()
        grid = FrameGrid.regular(len(pooled), n_together * self._frame_s, self._end_s)
        return ScoreCurves(pooled, grid, self._labels)


def curves_of(scores: FrameScores) -> ScoreCurves:
    """The curves of scores that are there as a whole."""
    curves = RunningCurves(scores.labels, float(scores.grid.durations_s[0]))
    curves.push(scores)
    return curves.finish()
