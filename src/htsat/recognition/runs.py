"""Sounds as runs of active frames.

The order of the steps: threshold, median filter, clip-level gate, runs of active frames, merging over
gaps, minimum duration. With only thresholds and runs this is how the paper localises (table 3;
official behaviour 12). The probability of an event is that of its loudest active frame, unfiltered.

Axes: n frames, K classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.labels import LabelSet
from htsat.rules import EventRules
from htsat.scores import FrameScores, SoundEvent, probabilities

BoolArray = NDArray[np.bool_]
_Array = NDArray[Any]

SLACK_S = 1e-6
"""Two times that differ by less than this, by rounding, are equal."""


class _Frames(NamedTuple):
    """Consecutive frames: three `(n, K)` arrays and the times `(n,)` where the frames begin and end."""

    probabilities: _Array
    above: _Array
    permitted: _Array
    onsets_s: _Array
    offsets_s: _Array

    def part(self, start: int, stop: int | None = None) -> _Frames:
        return _Frames(*(array[start:stop] for array in self))

    def followed_by(self, later: _Frames) -> _Frames:
        return _Frames(*(np.concatenate(pair) for pair in zip(self, later, strict=True)))


class _Spans(NamedTuple):
    """Stretches of time in which a class sounds: columns of equal length, one row per stretch."""

    classes: _Array
    onsets_s: _Array
    offsets_s: _Array
    probabilities: _Array

    def where(self, choice: _Array) -> _Spans:
        return _Spans(*(column[choice] for column in self))

    def and_also(self, others: _Spans) -> _Spans:
        return _Spans(*(np.concatenate(pair) for pair in zip(self, others, strict=True)))


class RunFinder:
    """Finds the events of one recording in scores that arrive block by block.

    How the frames are cut into blocks does not change the events. What is kept between blocks does not
    grow: the frames that the longest median filter still needs, and at most one unfinished event per class.
    """

    def __init__(self, labels: LabelSet, rules: EventRules, frame_s: float) -> None:
        self._labels = labels
        self._thresholds = np.array(rules.thresholds, np.float32)
        self._clip_thresholds = rules.per_class("clip_threshold").astype(np.float32)
        self._max_gaps_s = rules.per_class("max_gap_s")
        self._min_durations_s = rules.per_class("min_duration_s")
        self._reaches = rules.median_filter_frames(frame_s) // 2
        self._reach = int(self._reaches.max(initial=0))
        self._frames = _no_frames(len(labels))
        self._n_decided = 0
        self._unfinished = _no_spans()

    def push(self, scores: FrameScores) -> list[SoundEvent]:
        """Take the next frames; return the events that nothing later can change."""
        self._frames = self._frames.followed_by(self._evidence(scores))
        self._decide(max(len(self._frames.onsets_s) - self._reach, self._n_decided))
        settled_s = np.append(self._frames.onsets_s, scores.grid.boundaries_s[-1])[self._n_decided]
        max_gaps_s = self._max_gaps_s[self._unfinished.classes]
        return self._release(settled_s - self._unfinished.offsets_s > max_gaps_s + SLACK_S)

    def finish(self) -> list[SoundEvent]:
        """The recording has ended: return the remaining events."""
        self._decide(len(self._frames.onsets_s))
        return self._release(np.ones(len(self._unfinished.classes), bool))

    def _evidence(self, scores: FrameScores) -> _Frames:
        present = scores.probabilities
        times_s = scores.grid.boundaries_s
        return _Frames(
            present, present > self._thresholds, self._permitted(scores), times_s[:-1], times_s[1:]
        )

    def _permitted(self, scores: FrameScores) -> BoolArray:
        """Where the clip-level gate is open, `(n, K)`."""
        if not self._clip_thresholds.any():
            return np.broadcast_to(np.True_, scores.logits.shape)
        return probabilities(scores.clip_logits, scores.task) >= self._clip_thresholds

    def _decide(self, stop: int) -> None:
        """Settle which frames before `stop` are active, and add their runs to the unfinished spans."""
        fresh = slice(self._n_decided, stop)
        busy = np.flatnonzero(self._frames.above.any(axis=0))
        active = median_active(self._frames.above[:, busy], self._reaches[busy])[fresh]
        active &= self._frames.permitted[fresh, busy]
        runs = _runs(active, self._frames.part(fresh.start, fresh.stop), busy)
        self._unfinished = _merged(self._unfinished.and_also(runs), self._max_gaps_s)
        self._frames = self._frames.part(max(stop - self._reach, 0))
        self._n_decided = min(stop, self._reach)

    def _release(self, finished: BoolArray) -> list[SoundEvent]:
        spans = self._unfinished.where(finished)
        self._unfinished = self._unfinished.where(~finished)
        min_durations_s = self._min_durations_s[spans.classes]
        long_enough = spans.offsets_s - spans.onsets_s >= min_durations_s - SLACK_S
        rows = zip(*(column.tolist() for column in spans.where(long_enough)), strict=True)
        return [SoundEvent(self._labels[index], onset, offset, peak) for index, onset, offset, peak in rows]


def median_active(above: BoolArray, reaches: NDArray[np.intp]) -> BoolArray:
    """Whether the median of the frames up to `reaches` away is above the threshold.

    A median is greater than a threshold exactly when more than half of its values are: counting
    replaces sorting. Shape: `above` `(n, K)`, `reaches` `(K,)`.
    """
    if not reaches.any():
        return above
    n_frames = len(above)
    frames = np.arange(n_frames)[:, None]
    starts = np.maximum(frames - reaches, 0)
    stops = np.minimum(frames + reaches + 1, n_frames)
    n_above = np.zeros((n_frames + 1, above.shape[1]), np.int32)
    np.cumsum(above, axis=0, out=n_above[1:])
    n_around = np.take_along_axis(n_above, stops, axis=0) - np.take_along_axis(n_above, starts, axis=0)
    majority: BoolArray = 2 * n_around > stops - starts
    return majority


def _runs(active: BoolArray, frames: _Frames, classes: NDArray[np.intp]) -> _Spans:
    """The unbroken runs of active frames, for `active` `(n, len(classes))`, class by class."""
    framed = np.zeros((len(classes), len(active) + 2), bool)
    framed[:, 1:-1] = active.T
    rows, places = np.nonzero(framed[:, 1:] != framed[:, :-1])
    starts, stops = places[::2], places[1::2]
    values = frames.probabilities[:, classes].T[framed[:, 1:-1]]
    first_values = np.cumsum(stops - starts) - (stops - starts)
    return _Spans(
        classes=classes[rows[::2]],
        onsets_s=frames.onsets_s[starts],
        offsets_s=frames.offsets_s[stops - 1],
        probabilities=np.maximum.reduceat(values, first_values),
    )


def _merged(spans: _Spans, max_gaps_s: NDArray[np.float64]) -> _Spans:
    """Spans of a class with no larger gap between them become one; also those that only a block cut.

    Shape: `max_gaps_s` `(K,)`.
    """
    spans = spans.where(np.lexsort((spans.onsets_s, spans.classes)))
    gaps_s = spans.onsets_s[1:] - spans.offsets_s[:-1]
    is_first = np.ones(len(spans.classes), bool)
    is_first[1:] = (np.diff(spans.classes) != 0) | (gaps_s > max_gaps_s[spans.classes[1:]] + SLACK_S)
    firsts = np.flatnonzero(is_first)
    lasts = np.append(firsts, len(is_first))[1:] - 1
    loudest = np.maximum.reduceat(spans.probabilities, firsts)
    return _Spans(spans.classes[firsts], spans.onsets_s[firsts], spans.offsets_s[lasts], loudest)


def _no_frames(n_classes: int) -> _Frames:
    no_flags = np.empty((0, n_classes), bool)
    return _Frames(np.empty((0, n_classes), np.float32), no_flags, no_flags, np.empty(0), np.empty(0))


def _no_spans() -> _Spans:
    return _Spans(np.empty(0, np.intp), np.empty(0), np.empty(0), np.empty(0, np.float32))
