"""Boxes of one class in all recordings at once: what `recognition.boxes` finds, for rules that are tried.

Where the change of the scores turns depends on the step alone, so candidates are found once for each step.
Between recordings there must be two steps of silence. After its last sound the change of a recording only
rises, and before its first sound too: so nothing turns between them.

N frames of the axis, C candidates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.evaluation.strips import Layout, Part
from htsat.scores import FloatArray

Indices = NDArray[np.intp]
Doubles = NDArray[np.float64]

_ONE = 1 << 30
"""What a probability of 1 counts, as in `recognition.boxes`: sums are exact."""


class Candidates(NamedTuple):
    """Stretches between the turns of the change, in order. Shape: `(C,)` each.

    `before` are the sums of scores before onset and offset, `(2, C)`; `gaps` the means from the candidate
    before, minus infinity for the first of a recording.
    """

    onsets: Indices
    offsets: Indices
    before: NDArray[np.int64]
    means: Doubles
    gaps: Doubles


def find_candidates(totals: NDArray[np.int64], layout: Layout, part: Part, step: int) -> Candidates:
    """All candidates in a part for a step in frames; `totals` are those of `running_sums`."""
    own = totals[part.frames.start : part.frames.stop + 1]
    changes = own[2 * step :] - 2 * own[step:-step] + own[: -2 * step]
    directions = np.sign(np.diff(changes, prepend=0))
    moves = np.flatnonzero(directions)
    turns = np.flatnonzero(np.diff(directions[moves])) + 1
    # Of equal maxima the last is the onset, of equal minima the first the offset.
    first = part.frames.start + step
    onsets, offsets = first + moves[turns[::2]] - 1, first + moves[turns[1::2] - 1]
    before = np.stack([totals[onsets], totals[offsets]])
    gaps = np.full(len(onsets), -np.inf)
    gaps[1:] = (before[0, 1:] - before[1, :-1]) / (onsets[1:] - offsets[:-1]) / _ONE
    recordings = layout.recordings[onsets]
    gaps[1:][np.diff(recordings) != 0] = -np.inf
    return Candidates(onsets, offsets, before, (before[1] - before[0]) / (offsets - onsets) / _ONE, gaps)


def running_sums(row: FloatArray) -> NDArray[np.int64]:
    """The sum of the scores before every boundary, in whole steps. Shape: `(N,)` -> `(N + 1,)`."""
    return np.concatenate([[0], np.cumsum(np.rint(row * np.float64(_ONE)).astype(np.int64))])


def box_row(candidates: Candidates, max_dip: float, max_relative_dip: float, n_frames: int) -> FloatArray:
    """The confidence in each frame's box, 0 outside, `(N,)`, after neighbours were joined."""
    firsts, lasts, means = _joined(candidates, max_dip, max_relative_dip)
    edges = np.stack([candidates.onsets[firsts], candidates.offsets[lasts]], axis=1).ravel()
    values = np.zeros(2 * len(means) + 1, np.float32)
    values[1::2] = means
    return np.repeat(values, np.diff(edges, prepend=0, append=n_frames))


def _joined(
    candidates: Candidates, max_dip: float, max_relative_dip: float
) -> tuple[list[int], list[int], list[float]]:
    """The first and the last candidate of each box, and its mean score."""
    firsts: list[int] = []
    lasts: list[int] = []
    means: list[float] = []
    columns = (candidates.onsets, candidates.offsets, *candidates.before, candidates.means, candidates.gaps)
    begin = begin_total = 0
    box_mean = 0.0
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for number, (onset, offset, onset_total, offset_total, mean, gap) in enumerate(rows):
        surer = max(box_mean, mean)
        if surer - gap > min(max_dip, max_relative_dip * surer):
            firsts.append(number)
            lasts.append(number)
            means.append(mean)
            begin, begin_total, box_mean = onset, onset_total, mean
        else:
            box_mean = (offset_total - begin_total) / (offset - begin) / _ONE
            lasts[-1], means[-1] = number, box_mean
    return firsts, lasts, means
