"""Calibration on labelled recordings: a scale and an offset for the logits of every class.

With strong labels frames are calibrated, by the time that they stand for; else recordings. The logits of
tagging are calibrated on recordings where frames have a head of their own.

R recordings, T frames, K classes.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.errors import ConfigError
from htsat.evaluation.frame_scores import ScoredClips
from htsat.metrics.calibration import CalibrationReport, PlattScaling, calibration_report, fit_platt_scaling
from htsat.metrics.event_table import EventTable
from htsat.scores import FloatArray, FrameGrid, FrameScores, probabilities


class Calibration(NamedTuple):
    """How logits are scaled, and how good the probabilities are that were looked at, before and after.

    `frames` is None where nothing is known of frames that have a head of their own.
    """

    tagging: PlattScaling
    frames: PlattScaling | None
    before: CalibrationReport
    after: CalibrationReport


class _Observed(NamedTuple):
    """Shape: `logits` and `targets` `(N, K)`, `weights` `(N, 1)`."""

    logits: FloatArray
    targets: FloatArray
    weights: NDArray[np.float64]

    def fit(self) -> PlattScaling:
        return fit_platt_scaling(self.logits, self.targets, self.weights)

    def report(self, scaling: PlattScaling | None = None) -> CalibrationReport:
        logits = self.logits if scaling is None else scaling.apply(self.logits)
        return calibration_report(probabilities(logits, "multi_label"), self.targets, self.weights)


def calibrate(clips: ScoredClips, *, has_fine_head: bool) -> Calibration:
    """Fit the scaling of every class.

    Raises:
        ConfigError: when the model is multi-class: its probabilities depend on each other.
    """
    if clips.scores[0].task != "multi_label":
        raise ConfigError("calibration needs a multi-label model; the classes of a multi-class one compete")
    recordings = _recordings(clips)
    if not len(clips.reference):
        scaling = recordings.fit()
        frame_scaling = None if has_fine_head else scaling
        return Calibration(scaling, frame_scaling, recordings.report(), recordings.report(scaling))
    frames = _frames(clips)
    scaling = frames.fit()
    tagging = recordings.fit() if has_fine_head else scaling
    return Calibration(tagging, scaling, frames.report(), frames.report(scaling))


def calibrated(clips: ScoredClips, calibration: Calibration) -> ScoredClips:
    """What the calibrated model would have heard."""
    scores = tuple(_scaled(each, calibration) for each in clips.scores)
    return dataclasses.replace(clips, scores=scores)


def _scaled(scores: FrameScores, calibration: Calibration) -> FrameScores:
    tagging, frames = calibration.tagging, calibration.frames
    tagged_by = None if scores.tagging_logits is None else tagging.apply(scores.tagging_logits)
    return dataclasses.replace(
        scores,
        logits=scores.logits if frames is None else frames.apply(scores.logits),
        clip_logits=tagging.apply(scores.clip_logits),
        tagging_logits=tagged_by,
    )


def _recordings(clips: ScoredClips) -> _Observed:
    logits = np.stack([scores.clip().logits for scores in clips.scores])
    return _Observed(logits, clips.targets, np.ones((len(clips), 1)))


def _frames(clips: ScoredClips) -> _Observed:
    return _Observed(
        np.concatenate([scores.logits for scores in clips.scores]),
        np.concatenate([_activity(clips, number) for number in range(len(clips))]),
        np.concatenate([scores.grid.durations_s for scores in clips.scores])[:, None],
    )


def _activity(clips: ScoredClips, number: int) -> FloatArray:
    """Ones where a class sounds in the middle of a frame of a recording, `(T, K)`."""
    grid: FrameGrid = clips.scores[number].grid
    events: EventTable = clips.reference.where(clips.reference.recordings == number)
    middles_s = (grid.boundaries_s[:-1] + grid.durations_s / 2)[:, None]
    inside = (events.onsets_s <= middles_s) & (middles_s < events.offsets_s)  # (T, events)
    active = np.zeros((grid.n_frames, len(clips.labels)), np.float32)
    for column, index in enumerate(events.classes):
        active[inside[:, column], index] = 1
    return active
