"""The scores of several models as those of one, and those of classes as those of groups.

What is joined is no longer the logits of a network: each class stands alone (multi-label), and its logit is
the log-odds of its joint probability, in single precision.

M models, T frames, K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from htsat.evaluation.class_map import Groups
from htsat.labels import LabelSet
from htsat.scores import FloatArray, FrameGrid, FrameScores, Task, log_odds, probabilities


def reordered(scores: FrameScores, labels: LabelSet, order: Sequence[int]) -> FrameScores:
    """The same with the classes in another order: `order` says where each stood."""
    tagging = None if scores.tagging_logits is None else scores.tagging_logits[:, order]
    return FrameScores(
        scores.logits[:, order], scores.clip_logits[:, order], scores.grid, labels, scores.task, tagging
    )


def joined(several: Sequence[FrameScores]) -> FrameScores:
    """The mean of the probabilities of M models that have the same classes in the same order.

    On the grid of the model with the shortest frames: each frame takes what the others say of its middle.
    """
    if len(several) == 1:
        return several[0]
    finest = max(several, key=lambda scores: scores.grid.n_frames)
    return _mean([_on_grid(scores, finest.grid) for scores in several])


def grouped(scores: FrameScores, groups: Groups) -> FrameScores:
    """The scores of groups of classes: the largest of each."""
    alone = scores if scores.task == "multi_label" else _mean([scores])
    return dataclasses.replace(
        alone,
        logits=groups.largest(alone.logits),
        clip_logits=groups.largest(alone.clip_logits),
        labels=groups.labels,
        tagging_logits=groups.largest(alone.tagged_by),
    )


def _mean(several: Sequence[FrameScores]) -> FrameScores:
    """The mean probabilities of scores on one grid."""
    return FrameScores(
        _mean_odds([scores.logits for scores in several], several[0].task),
        _mean_odds([scores.clip_logits for scores in several], several[0].task),
        several[0].grid,
        several[0].labels,
        "multi_label",
        _mean_odds([scores.tagged_by for scores in several], several[0].task),
    )


def _on_grid(scores: FrameScores, grid: FrameGrid) -> FrameScores:
    middles_s = grid.boundaries_s[:-1] + grid.durations_s / 2
    last = scores.grid.n_frames - 1
    around = np.minimum(np.searchsorted(scores.grid.boundaries_s, middles_s, side="right") - 1, last)
    return dataclasses.replace(
        scores,
        logits=scores.logits[around],
        clip_logits=scores.clip_logits[around],
        grid=grid,
        tagging_logits=scores.tagged_by[around],
    )


def _mean_odds(logits: Sequence[FloatArray], task: Task) -> FloatArray:
    """The log-odds of the mean probability of M models, `(T, K)`."""
    chances = [probabilities(own, task) for own in logits]
    mean: NDArray[np.float64] = np.mean(chances, axis=0, dtype=np.float64)
    return log_odds(mean)
