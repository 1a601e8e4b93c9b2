"""The network's answer about clips: asked for, checked, and put on the frames of a recording.

Axes: B clips, T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

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


class Answer(NamedTuple):
    """What the network says about consecutive clips of one recording, `(B, ...)`."""

    clips: list[Clip]
    output: EngineOutput


def infer(engine: Engine, clips: list[Clip]) -> EngineOutput:
    """Run the network on clips of one recording in the order of their time.

    Raises:
        NonFiniteScoresError: when the answer is not finite.
    """
    answer = _checked(Answer(clips, _run(engine, clips)), engine.description)
    if isinstance(answer, NonFiniteScoresError):
        raise answer
    return answer.output


def infer_apart(engine: Engine, groups: Sequence[list[Clip]]) -> Sequence[Answer | HtsatError]:
    """Run the network once on clips of several recordings: about each the answer, or why there is none.

    Where the engine refuses the batch, there is none about any of them.
    """
    try:
        output = _run(engine, list(chain.from_iterable(groups)))
    except HtsatError as error:
        return [error] * len(groups)
    ends = np.cumsum([len(clips) for clips in groups])
    parts = zip(*(np.split(array, ends[:-1]) for array in output), strict=True)
    return [
        _checked(Answer(clips, EngineOutput(*part)), engine.description)
        for clips, part in zip(groups, parts, strict=True)
    ]


def _run(engine: Engine, clips: Sequence[Clip]) -> EngineOutput:
    return engine.frame_scores(np.stack([clip.samples for clip in clips]))


def _checked(answer: Answer, model: ModelDescription) -> Answer | NonFiniteScoresError:
    if all(np.isfinite(array).all() for array in answer.output):
        return answer
    start_s = answer.clips[0].start / model.sample_rate
    stop_s = answer.clips[-1].start / model.sample_rate + model.clip_s
    return NonFiniteScoresError(
        f"model {model.name!r} gave scores that are not finite "
        f"for the audio between {start_s:g} s and {stop_s:g} s"
    )


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
