"""Many short waveforms of one length heard at once, each as a recording of its own.

Axes: B waveforms, L samples of a waveform, T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from htsat.audio import array_blocks
from htsat.engines.protocol import Engine
from htsat.errors import HtsatError
from htsat.recognition.clips import Clip, ClipPlan, Stitcher, cut
from htsat.scores import FloatArray, FrameGrid


class CropLogits(NamedTuple):
    """What a model says of waveforms of one length.

    Shape: `clips` `(B, K)`, `frames` `(B, T, K)`, which lie on `grid`.
    """

    clips: FloatArray
    frames: FloatArray
    grid: FrameGrid


def crop_logits(engine: Engine, waveforms: FloatArray, sample_rate: int) -> CropLogits:
    """The logits that `htsat tag` and `htsat detect` find for each waveform, whatever its rate and length.

    The waveforms are resampled to the model's rate (soxr) and cut into its clips, or repeated where they are
    shorter. All clips go through the network together. Shape: `(B, L)`.

    Raises:
        HtsatError: when the model has no classes.
        AudioError: when the waveforms are not finite or shorter than 20 ms.
    """
    model = engine.description
    if not len(model.labels):
        raise HtsatError(f"model {model.name!r} has no classes: it can only embed")
    plan = ClipPlan.for_model(model)
    cut_up = [list(cut(array_blocks(row, sample_rate, model.sample_rate), plan)) for row in waveforms]
    output = engine.frame_scores(np.stack([clip.samples for clips in cut_up for clip in clips]))
    tagging = _stitched(cut_up, output.tagging_logits, plan)
    frames = _stitched(cut_up, output.frame_logits, plan.in_frames(model.n_frames))
    return CropLogits(
        np.stack([_mean_over_time(row) for row in tagging]),
        np.stack([row.values for row in frames]),
        frames[0].grid,
    )


def _stitched(cut_up: Sequence[Sequence[Clip]], logits: FloatArray, plan: ClipPlan) -> list[_Row]:
    """The logits of each waveform, of those of all its clips."""
    ends = np.cumsum([len(clips) for clips in cut_up])
    parts = zip(cut_up, np.split(logits, ends[:-1]), strict=True)
    return [_stitch(clips, values, plan) for clips, values in parts]


class _Row(NamedTuple):
    """Shape: `values` `(T, K)`."""

    values: FloatArray
    grid: FrameGrid


def _stitch(clips: Sequence[Clip], logits: FloatArray, plan: ClipPlan) -> _Row:
    stitcher = Stitcher(plan, logits.shape[-1])
    parts = [stitcher.add(clips, logits), stitcher.finish()]
    edges = np.concatenate([parts[0].grid.boundaries_s[:-1], parts[1].grid.boundaries_s])
    return _Row(np.concatenate([part.values for part in parts]), FrameGrid(edges))


def _mean_over_time(row: _Row) -> FloatArray:
    durations_s = row.grid.durations_s
    mean: FloatArray = (durations_s @ row.values / durations_s.sum()).astype(np.float32)
    return mean
