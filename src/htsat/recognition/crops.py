"""Many short waveforms of one length heard at once, each as a recording of its own.

Axes: B waveforms, L samples of a waveform, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from htsat.audio import array_blocks
from htsat.engines.protocol import Engine
from htsat.errors import HtsatError
from htsat.recognition.clips import Clip, ClipPlan, Stitcher, cut
from htsat.scores import FloatArray


def crop_logits(engine: Engine, waveforms: FloatArray, sample_rate: int) -> FloatArray:
    """The logits that `htsat tag` finds for each waveform, whatever its rate and length.

    The waveforms are resampled to the model's rate (soxr) and cut into its clips, or repeated where they are
    shorter. All clips go through the network together. Shape: `(B, L)` -> `(B, K)`.

    Raises:
        HtsatError: when the model has no classes.
        AudioError: when the waveforms are not finite or shorter than 20 ms.
    """
    model = engine.description
    if not len(model.labels):
        raise HtsatError(f"model {model.name!r} has no classes: it can only embed")
    plan = ClipPlan.for_model(model)
    cut_up = [list(cut(array_blocks(row, sample_rate, model.sample_rate), plan)) for row in waveforms]
    samples = np.stack([clip.samples for clips in cut_up for clip in clips])
    logits = engine.frame_scores(samples).tagging_logits
    parts = zip(cut_up, _portions(logits, cut_up), strict=True)
    return np.stack([_mean_over_time(clips, values, plan) for clips, values in parts])


def _portions(logits: FloatArray, cut_up: Sequence[Sequence[Clip]]) -> Iterator[FloatArray]:
    """What belongs to the clips of each waveform."""
    ends = np.cumsum([len(clips) for clips in cut_up])
    yield from np.split(logits, ends[:-1])


def _mean_over_time(clips: Sequence[Clip], logits: FloatArray, plan: ClipPlan) -> FloatArray:
    stitcher = Stitcher(plan, logits.shape[-1])
    parts = [stitcher.add(clips, logits), stitcher.finish()]
    total = sum(part.grid.durations_s @ part.values for part in parts)
    mean: FloatArray = (total / parts[-1].grid.boundaries_s[-1]).astype(np.float32)
    return mean
