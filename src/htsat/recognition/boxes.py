"""Event boxes: sounds with one confidence each, whose extent depends on no threshold.

A threshold on frames moves the edges of an event whenever it moves. Here the edges lie where the scores
change most, and only then is asked how sure the model is of what lies between (Ebbers, Germain, Wichern,
Le Roux, "Sound Event Bounding Boxes", Interspeech 2024, arXiv 2406.04212; written from the description of
the method). For each class:

1. change at a boundary of frames = mean of the next n frames - mean of the n frames before it. Outside the
   recording nothing sounds: scores are 0 there.
2. A candidate begins at a local maximum of the change and ends at the local minimum that follows.
3. Neighbouring candidates become one unless the gap between them dips deep enough below the surer of them.
4. The confidence of a box is the mean score of its frames.

Scores are counted in whole steps of 2^-30. Sums are then exact, so that equal changes are equal wherever a
block or a recording begins.

Axes: T frames, K classes, m boundaries, n frames of a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.labels import LabelSet
from htsat.rules import BoxRule, BoxRules
from htsat.scores import FloatArray, FrameGrid, FrameScores, Seconds, SoundEvent, in_order

Counts = NDArray[np.int64]
Indices = NDArray[np.intp]

_ONE = 1 << 30
"""What a probability of 1 counts."""


def find_boxes(scores: FrameScores, rules: BoxRules) -> list[SoundEvent]:
    """All boxes in the scores of a whole recording, in order, also the least sure ones.

    The probability of each is its confidence. Boxes of a class do not overlap.
    """
    if not scores.grid.n_frames:
        return []
    finder = BoxFinder(scores.labels, rules, float(scores.grid.durations_s[0]))
    return in_order([*finder.push(scores), *finder.finish()], scores.labels)


def confident(boxes: Iterable[SoundEvent], thresholds: Sequence[float], labels: LabelSet) -> list[SoundEvent]:
    """The boxes whose confidence is strictly greater than the threshold of their class."""
    return [box for box in boxes if box.probability > thresholds[labels.index(box.label)]]


def box_scores(boxes: Iterable[SoundEvent], grid: FrameGrid, labels: LabelSet) -> FloatArray:
    """Boxes as probabilities of frames: the confidence in a box, 0 outside, the larger of two that overlap.

    A threshold on these cuts out whole boxes, so that metrics over all thresholds can be had of boxes. A
    frame is in a box when its middle is. Shape: `(T, K)`.
    """
    scores = np.zeros((grid.n_frames, len(labels)), np.float32)
    middles_s = grid.boundaries_s[:-1] + grid.durations_s / 2
    for box in boxes:
        start, stop = np.searchsorted(middles_s, [box.onset_s, box.offset_s])
        inside = scores[start:stop, labels.index(box.label)]
        np.maximum(inside, np.float32(box.probability), out=inside)
    return scores


class BoxFinder:
    """Finds the boxes of one recording in scores that arrive block by block.

    How the frames are cut into blocks does not change the boxes. What is kept between blocks does not grow:
    the frames of two steps, and an unfinished box and candidate per class. A box is returned when the next
    candidate of its class has ended and is not part of it.

    Raises:
        ConfigError: when a rule is given per class, but not for these classes.
    """

    def __init__(self, labels: LabelSet, rules: BoxRules, frame_s: float) -> None:
        self._labels = labels
        per_class = rules.of_classes(len(labels))
        steps = np.array([_step_frames(rule.step_s, frame_s) for rule in per_class], np.intp)
        self._joiners = [_Joiner(rule) for rule in per_class]
        self._trackers = [_Tracker(np.flatnonzero(steps == step), int(step)) for step in np.unique(steps)]

    def push(self, scores: FrameScores) -> list[SoundEvent]:
        """Take the next frames; return the boxes that nothing later can change."""
        counts = np.rint(scores.probabilities * np.float64(_ONE)).astype(np.int64)
        times_s = scores.grid.boundaries_s
        return self._boxes(tracker.push(counts[:, tracker.classes], times_s) for tracker in self._trackers)

    def finish(self) -> list[SoundEvent]:
        """The recording has ended: return the remaining boxes."""
        boxes = self._boxes(tracker.finish() for tracker in self._trackers)
        rest = [self._event(index, joiner.box) for index, joiner in enumerate(self._joiners) if joiner.box]
        return boxes + rest

    def _boxes(self, turns: Iterable[list[_Turn]]) -> list[SoundEvent]:
        """The boxes that these turns finish."""
        boxes = []
        for turn in chain.from_iterable(turns):
            finished = self._joiners[turn.class_index].take(turn)
            if finished:
                boxes.append(self._event(turn.class_index, finished))
        return boxes

    def _event(self, index: int, box: _Segment) -> SoundEvent:
        return SoundEvent(self._labels[index], box.onset.time_s, box.offset.time_s, box.mean)


def _step_frames(step_s: float, frame_s: float) -> int:
    return max(1, math.floor(step_s / frame_s + 0.5))


class _Edge(NamedTuple):
    """A boundary of frames: its number, its time, and the sum of the scores of all frames before it."""

    place: int
    time_s: float
    total: int


class _Edges(NamedTuple):
    """Edges as columns of equal length."""

    places: Indices
    times_s: Seconds
    totals: Counts


class _Turn(NamedTuple):
    """Where the change of a class is greatest (an onset) or least (an offset)."""

    class_index: int
    is_onset: bool
    edge: _Edge


class _Segment(NamedTuple):
    """What lies between two edges, with the mean score of its frames."""

    onset: _Edge
    offset: _Edge
    mean: float


def _between(onset: _Edge, offset: _Edge) -> _Segment:
    mean = (offset.total - onset.total) / (offset.place - onset.place) / _ONE
    return _Segment(onset, offset, mean)


class _Joiner:
    """Makes boxes of the candidates of one class, as they come."""

    def __init__(self, rule: BoxRule) -> None:
        self._rule = rule
        self._onset: _Edge | None = None
        self.box: _Segment | None = None

    def take(self, turn: _Turn) -> _Segment | None:
        """Take the next edge; return the box that it finishes, if it does."""
        if turn.is_onset or self._onset is None:
            self._onset = turn.edge
            return None
        earlier, candidate = self.box, _between(self._onset, turn.edge)
        if earlier and not self._are_two(earlier, candidate):
            self.box = _between(earlier.onset, candidate.offset)
            return None
        self.box = candidate
        return earlier

    def _are_two(self, earlier: _Segment, later: _Segment) -> bool:
        surer = max(earlier.mean, later.mean)
        dip = surer - _between(earlier.offset, later.onset).mean
        return dip > min(self._rule.max_dip, self._rule.max_relative_dip * surer)


class _Tracker:
    """Finds where the change of the scores turns, for classes that share a step.

    Of several equal maxima the last is the onset, of several equal minima the first is the offset: those are
    the edges of a sound that is shorter than a step.
    """

    def __init__(self, classes: Indices, step: int) -> None:
        self.classes = classes
        self._step = step
        # The running sums at the boundaries from one step before the first that is not yet decided.
        self._totals: Counts = np.zeros((step + 1, len(classes)), np.int64)
        self._times_s: Seconds = np.zeros(step + 1)
        self._first = 0  # number of the first boundary that is not yet decided
        self._change: Counts = np.full(len(classes), -1)  # the recording begins with a rise
        self._direction: Counts = np.ones(len(classes), np.int64)  # of the last move
        self._moved_to = self._edges(np.zeros_like(classes), np.arange(len(classes)))  # where that was

    def push(self, counts: Counts, times_s: Seconds) -> list[_Turn]:
        """Take the next frames `(T, K)` and all their boundaries; return the turns that are then certain."""
        totals = np.cumsum(np.vstack([self._totals[-1:], counts]), axis=0)
        self._totals = np.vstack([self._totals[:-1], totals])
        self._times_s = np.append(self._times_s[:-1], times_s)
        n_decided = len(self._totals) - 2 * self._step
        return self._decide(n_decided) if n_decided > 0 else []

    def finish(self) -> list[_Turn]:
        """Nothing sounds after the end: return the turns that remain."""
        n_silent = 2 * self._step
        silence = np.zeros((n_silent, len(self.classes)), np.int64)
        return self.push(silence, np.full(n_silent + 1, self._times_s[-1]))

    def _decide(self, m: int) -> list[_Turn]:
        """Settle the next m boundaries."""
        ahead, here, behind = (self._totals[start : start + m] for start in (2 * self._step, self._step, 0))
        changes = ahead - 2 * here + behind
        directions = np.sign(np.diff(changes, axis=0, prepend=self._change[None]))
        moves = np.maximum.accumulate(np.where(directions != 0, np.arange(m)[:, None], -1), axis=0)
        turns = self._turns(directions, moves)
        self._keep(changes[-1], directions, moves[-1])
        self._totals, self._times_s = self._totals[m:], self._times_s[m:]
        self._first += m
        return turns

    def _turns(self, directions: Counts, moves: Indices) -> list[_Turn]:
        """The turns of each class in order.

        Shape: both `(m, K)`. `moves` is the last boundary so far where the change rose or fell, -1 where
        that was in an earlier block.
        """
        before = np.vstack([np.full_like(moves[:1], -1), moves[:-1]])
        came = np.where(before < 0, self._direction, np.take_along_axis(directions, before, axis=0))
        columns, rows = np.nonzero((directions * came < 0).T)
        are_onsets = directions[rows, columns] < 0
        places = np.where(are_onsets, rows - 1, before[rows, columns])
        is_earlier = ~are_onsets & (places < 0)
        choices = zip(self._moved_to, self._edges(places, columns), strict=True)
        edges = (np.where(is_earlier, old[columns], new).tolist() for old, new in choices)
        return list(map(_Turn, self.classes[columns].tolist(), are_onsets.tolist(), map(_Edge, *edges)))

    def _keep(self, change: Counts, directions: Counts, moves: Indices) -> None:
        """Remember of settled boundaries what those after them need. Shape: `(K,)`, `(m, K)`, `(K,)`."""
        columns = np.flatnonzero(moves >= 0)
        self._change = change
        self._direction[columns] = directions[moves[columns], columns]
        for old, new in zip(self._moved_to, self._edges(moves[columns], columns), strict=True):
            old[columns] = new

    def _edges(self, places: Indices, columns: Indices) -> _Edges:
        """The edges at boundaries counted from the first that is not yet decided."""
        rows = self._step + places
        return _Edges(self._first + places, self._times_s[rows], self._totals[rows, columns])
