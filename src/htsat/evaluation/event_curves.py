"""Rules as curves of scores: whatever the threshold, the events are the runs of frames above it.

All that the rules do to active frames can be done to the scores before a threshold is known, as in one
dimension these operations on sets of frames are those on curves (Serra, "Image Analysis and Mathematical
Morphology", 1982): merging over gaps is a closing, a minimum duration an opening. So one curve stands for the
events at all thresholds. Lengths are counted in whole frames: a last frame that the end of a recording cuts
counts as one.

T frames, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from htsat.recognition.boxes import box_scores, find_boxes
from htsat.rules import EventRules
from htsat.scores import FloatArray, FrameGrid, FrameScores, probabilities

Frames = NDArray[np.intp]

_SLACK_S = 1e-6
"""Two times that differ by less than this, by rounding, are equal."""


_SORTED_TOGETHER = 2**24
"""Scores in the windows of some classes; bounds the memory for long recordings."""


@dataclass(frozen=True, eq=False)
class EventCurves:
    """Scores `(T, K)` whose runs above any threshold are events; 0 where there is none at any threshold."""

    probabilities: FloatArray
    grid: FrameGrid


def event_curves(scores: FrameScores, rules: EventRules) -> EventCurves:
    """What the rules but for the thresholds make of the scores of a whole recording."""
    frame_s = float(scores.grid.durations_s[0])
    shortest = _frames(rules, "min_duration_s", min_frames, frame_s)
    if rules.boxes is not None:
        boxes = box_scores(find_boxes(scores, rules.boxes), scores.grid, scores.labels)
        return EventCurves(_by_width(boxes, shortest, _opened), scores.grid)
    smooth = _by_width(scores.probabilities, rules.median_filter_frames(frame_s), _median)
    gate = rules.per_class("clip_threshold").astype(np.float32)
    if gate.any():
        smooth = np.where(probabilities(scores.clip_logits, scores.task) >= gate, smooth, np.float32(0))
    closed = _by_width(smooth, _frames(rules, "max_gap_s", gap_frames, frame_s) + 1, _closed)
    return EventCurves(_by_width(closed, shortest, _opened), scores.grid)


def min_frames(min_duration_s: float, frame_s: float) -> int:
    """The number of frames that are long enough, at least one."""
    return max(math.ceil(min_duration_s / frame_s - _SLACK_S / frame_s), 1)


def gap_frames(max_gap_s: float, frame_s: float) -> int:
    """The largest number of frames that is no longer than a gap."""
    return math.floor(max_gap_s / frame_s + _SLACK_S / frame_s)


def step_frames(step_s: float, frame_s: float) -> int:
    """The nearest number of frames to the step of boxes, at least one; that of `recognition.boxes`."""
    return max(math.floor(step_s / frame_s + 0.5), 1)


def _frames(rules: EventRules, name: str, whole: Callable[[float, float], int], frame_s: float) -> Frames:
    return np.array([whole(length_s, frame_s) for length_s in rules.per_class(name).tolist()], np.intp)


def _by_width(
    curves: FloatArray, widths: Frames, operation: Callable[[FloatArray, int], FloatArray]
) -> FloatArray:
    """Every curve after an operation over its own number of frames; one frame changes nothing."""
    changed = curves.copy()
    for width in np.unique(widths[widths > 1]).tolist():
        own = widths == width
        changed[:, own] = operation(curves[:, own], width)
    return changed


def _median(curves: FloatArray, width: int) -> FloatArray:
    """The lower median of the frames there are around each, `(T, K)`."""
    reach = min(width // 2, len(curves))
    n_classes = max(1, _SORTED_TOGETHER // (len(curves) * (2 * reach + 1)))
    starts = range(0, curves.shape[1], n_classes)
    return np.concatenate(
        [_sorted_median(curves[:, start : start + n_classes], reach) for start in starts], 1
    )


def _sorted_median(curves: FloatArray, reach: int) -> FloatArray:
    n_frames = len(curves)
    windows = np.sort(_windows(curves, 2 * reach + 1, reach, np.nan), axis=-1)  # sorts NaN to the end
    frames = np.arange(n_frames)
    n_there = np.minimum(frames + reach + 1, n_frames) - np.maximum(frames - reach, 0)
    middle = np.broadcast_to(((n_there - 1) // 2)[:, None, None], (*curves.shape, 1))
    median: FloatArray = np.take_along_axis(windows, middle, axis=-1)[..., 0]
    return median


def _closed(curves: FloatArray, width: int) -> FloatArray:
    """Valleys of fewer frames than `width` are filled."""
    width = min(width, len(curves) + 1)
    highest = _windows(curves, width, width - 1, -np.inf).max(axis=-1)
    lowest: FloatArray = sliding_window_view(highest, width, axis=0).min(axis=-1)
    return lowest


def _opened(curves: FloatArray, width: int) -> FloatArray:
    """Peaks of fewer frames than `width` are cut off."""
    if len(curves) < width:
        return np.zeros_like(curves)
    lowest = sliding_window_view(curves, width, axis=0).min(axis=-1)
    highest: FloatArray = _windows(lowest, width, width - 1, -np.inf).max(axis=-1)
    return highest


def _windows(curves: FloatArray, width: int, n_around: int, outside: float) -> FloatArray:
    """All windows, also those that reach over the ends, `(n, K, width)`."""
    padded = np.pad(curves, ((n_around, n_around), (0, 0)), constant_values=np.float32(outside))
    windows: FloatArray = sliding_window_view(padded, width, axis=0)
    return windows
