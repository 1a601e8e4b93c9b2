"""What becomes of a teacher's logits: the mean of several teachers, and the few numbers that are kept.

B clips, T frames, K classes of which the k largest are kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.scores import Task

Doubles = NDArray[np.float64]

_LARGEST = float(np.finfo(np.float16).max)


class Logits(NamedTuple):
    """What teachers say of clips. Shape: `clips` `(B, K)`; `frames` `(B, T, K)`, None if nobody asked."""

    clips: Doubles
    frames: Doubles | None


def mean_logits(answers: Doubles, task: Task) -> Doubles:
    """The logits of mean probabilities, exact next to 0 and 1 too. Shape: `(n, ..., K)` -> `(..., K)`."""
    if task == "multi_class":
        return _log_mean(log_softmax(answers))
    mean: Doubles = _log_mean(-np.logaddexp(0, -answers)) - _log_mean(-np.logaddexp(0, answers))
    return mean


def log_softmax(logits: Doubles) -> Doubles:
    """Logits of the same probabilities whose exponentials sum to 1. Shape: `(..., K)`, float64."""
    normal: Doubles = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return normal


def _log_mean(logarithms: Doubles) -> Doubles:
    mean: Doubles = np.logaddexp.reduce(logarithms, axis=0) - np.log(len(logarithms))
    return mean


class Kept(NamedTuple):
    """What is kept of logits. Shape: `logits` and `classes` `(B, k)`, `rest` `(B,)`."""

    logits: NDArray[np.float16]
    classes: NDArray[np.uint16]
    rest: NDArray[np.float16]


def keep_largest(logits: Doubles, top_k: int, task: Task) -> Kept:
    """The k largest logits, and one number for the others. Shape: `(B, K)`.

    Multi-label: the rest is the mean of the other logits. Multi-class: logits are kept as logarithms of
    probabilities, which are finest where it matters, and the rest is the logarithm of the mean of the others'
    exponentials, so that the softmax of the row that is filled with it has the teacher's probabilities.
    """
    if task == "multi_class":
        logits = log_softmax(logits)
    order = np.argsort(-logits, axis=1, kind="stable")
    others = np.take_along_axis(logits, order[:, top_k:], axis=1)
    largest = np.take_along_axis(logits, order[:, :top_k], axis=1)
    return Kept(_half(largest), order[:, :top_k].astype(np.uint16), _half(_mean_of_rest(others, task)))


class KeptFrames(NamedTuple):
    """What is kept of the logits of frames.

    Shape: `frame_logits` `(B, T, k)`, `frame_classes` `(B, k)`, `frame_rest` `(B, T)`.
    """

    frame_logits: NDArray[np.float16]
    frame_classes: NDArray[np.uint16]
    frame_rest: NDArray[np.float16]


def keep_loudest(logits: Doubles, top_k: int) -> KeptFrames:
    """The k classes of each clip that have the largest logits in any frame, and one number for the others.

    That is the mean of their logits in a frame (multi-label). Shape: `(B, T, K)`.
    """
    order = np.argsort(-logits.max(axis=1), axis=1, kind="stable")
    ordered = np.take_along_axis(logits, order[:, None], axis=2)
    rest = ordered[..., top_k:].mean(axis=2) if top_k < logits.shape[2] else np.zeros(logits.shape[:2])
    return KeptFrames(_half(ordered[..., :top_k]), order[:, :top_k].astype(np.uint16), _half(rest))


def _mean_of_rest(others: Doubles, task: Task) -> Doubles:
    n_others = others.shape[1]
    if not n_others:
        return np.zeros(len(others))
    if task == "multi_label":
        mean: Doubles = others.mean(axis=1)
        return mean
    log_mean: Doubles = np.logaddexp.reduce(others, axis=1) - np.log(n_others)
    return log_mean


def _half(values: Doubles) -> NDArray[np.float16]:
    return values.clip(-_LARGEST, _LARGEST).astype(np.float16)
