"""The network's answer about clips: asked for, checked, and put on the frames of a recording.

Axes: B clips, T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from htsat.engines.protocol import Engine, EngineOutput, ModelDescription
from htsat.errors import HtsatError
from htsat.recognition.clips import Clip, Stitched
from htsat.scores import FrameScores


class NonFiniteScoresError(HtsatError):
    """The network answered with numbers that are not finite; nothing can be concluded from them."""


def require_classes(model: ModelDescription) -> None:
    """Refuse a model that can only embed."""
    if not len(model.labels):
        raise HtsatError("this model has no classes: it can only embed")


def infer(engine: Engine, clips: Sequence[Clip]) -> EngineOutput:
    """Run the network on clips in the order of their time.

    Raises:
        NonFiniteScoresError: when the answer is not finite.
    """
    output = engine.frame_scores(np.stack([clip.samples for clip in clips]))
    if not all(np.isfinite(array).all() for array in output):
        model = engine.description
        start_s = clips[0].start / model.sample_rate
        stop_s = clips[-1].start / model.sample_rate + model.clip_s
        raise NonFiniteScoresError(
            f"model {model.name!r} gave scores that are not finite "
            f"for the audio between {start_s:g} s and {stop_s:g} s"
        )
    return output


def scores_of(frames: Stitched, tagging: Stitched, model: ModelDescription) -> FrameScores:
    """The scores of one stretch of a recording in the frames of `frames`, from answers of a model.

    `tagging` is the same stretch in coarse frames, `(T', K)`.
    """
    ratio = model.n_frames // model.n_coarse_frames
    around = np.arange(frames.grid.n_frames) // ratio  # coarse frame around each frame
    return FrameScores(
        logits=frames.values,
        clip_logits=tagging.clip_values[around],
        grid=frames.grid,
        labels=model.labels,
        task=model.task,
        tagging_logits=tagging.values[around],
    )
