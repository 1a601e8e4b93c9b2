"""Events and curves from stored scores: what sliders ask for, without hearing anything again.

Axes: T frames, K classes, k of them, P points of a curve.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from htsat.engines.protocol import ModelDescription
from htsat.recognition.events import EventFinder
from htsat.rules import BoxRules, EventRules
from htsat.scores import FloatArray, Seconds, SoundEvent, in_order, probabilities
from htsat.web.page.frames import Indices, StoredFrames

_SLACK = 1e-6
"""A probability may differ by less in the last digit, where it is computed among others."""


class Curves(NamedTuple):
    """The probability of classes: the largest in each stretch. Shape: `times_s` `(P,)`, `values` `(P, k)`."""

    times_s: Seconds
    values: FloatArray


def find_events(frames: StoredFrames, rules: EventRules) -> list[SoundEvent]:
    """The events by some rules, exactly those that `EventFinder` finds while it hears.

    Only classes that exceed their threshold somewhere are read, unless all compete (multi-class).
    """
    model = frames.model
    classes = _needed(model, loud_classes(frames, rules))
    if not len(classes):
        return []
    events: list[SoundEvent] = []
    finder = None
    for scores in frames.read(classes):
        finder = finder or EventFinder(scores.labels, rules_of(rules, classes), model.frame_s)
        events += finder.push(scores)
    if finder is not None:
        events += finder.finish()
    return in_order(events, model.labels)


def loud_classes(frames: StoredFrames, rules: EventRules) -> list[int]:
    """The classes of which there may be events: a box is no surer than its surest frame."""
    if frames.model.task == "multi_class":
        return list(range(len(frames.model.labels)))
    highest = probabilities(frames.summary.loudest, frames.model.task)
    return np.flatnonzero(highest > np.array(rules.thresholds) - _SLACK).tolist()


def _needed(model: ModelDescription, classes: list[int]) -> Indices:
    """The classes that must be read to know the probabilities of some."""
    return np.arange(len(model.labels)) if model.task == "multi_class" else np.array(classes, np.intp)


def rules_of(rules: EventRules, classes: Indices) -> EventRules:
    """The rules of some of the classes."""
    boxes = rules.boxes and replace(rules.boxes, **_picked(rules.boxes, classes))
    return replace(rules, **(_picked(rules, classes) | {"boxes": boxes}))


def _picked(rules: EventRules | BoxRules, classes: Indices) -> dict[str, Any]:
    """The fields that hold a value for each class, with those of some."""
    values = {field.name: getattr(rules, field.name) for field in fields(rules)}
    return {
        name: tuple(value[index] for index in classes)
        for name, value in values.items()
        if isinstance(value, tuple)
    }


def curves_between(
    frames: StoredFrames, classes: list[int], stretch_s: tuple[float, float], n_points: int
) -> Curves:
    """The curves of classes from one time to another, in at most `n_points`; `times_s` are their middles."""
    start_s, stop_s = stretch_s
    times_s = frames.boundaries_s()
    n_frames = frames.summary.n_frames
    first = int(np.clip(np.searchsorted(times_s, start_s, side="right") - 1, 0, n_frames))
    last = int(np.clip(np.searchsorted(times_s, stop_s), first, n_frames))
    n_points = min(n_points, last - first)
    if not n_points:
        return Curves(np.empty(0), np.empty((0, len(classes)), np.float32))
    needed = _needed(frames.model, sorted(classes))
    columns = np.searchsorted(needed, classes)
    values: FloatArray = np.zeros((n_points, len(classes)), np.float32)
    at = first
    for scores in frames.read(needed, first, last):
        points = np.arange(at - first, at - first + scores.grid.n_frames) * n_points // (last - first)
        starts = np.flatnonzero(np.diff(points, prepend=-1))
        largest = np.maximum.reduceat(scores.probabilities[:, columns], starts, axis=0)
        values[points[starts]] = np.maximum(values[points[starts]], largest)
        at += scores.grid.n_frames
    edges = first + -(-np.arange(n_points + 1) * (last - first) // n_points)
    return Curves((times_s[edges[:-1]] + times_s[edges[1:]]) / 2, values)
