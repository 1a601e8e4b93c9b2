"""Rules chosen on labelled recordings, class by class: what `htsat tune` does.

One rule after the other is varied while the rest stays, until nothing gets better; the thresholds are
searched exactly for every variant. All classes are varied at once, and each keeps what is best for itself.

R recordings, K classes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.errors import DataError
from htsat.evaluation.event_curves import gap_frames, min_frames, step_frames
from htsat.evaluation.frame_scores import ScoredClips
from htsat.evaluation.rule_search import Objective, Varied, search_rules
from htsat.evaluation.strip_curves import BoxCurves, FrameCurves
from htsat.evaluation.threshold_search import best_clip_thresholds
from htsat.rules import BoxRule, BoxRules, EventRules

Doubles = NDArray[np.float64]

Kind = Literal["frames", "boxes"]
"""What makes events: rules on frames, or change detection."""

MIN_EVENTS = 5
"""Classes with fewer true events keep the rules that they have."""

_SEED = 0

_VARIED: dict[Kind, dict[str, tuple[float, ...]]] = {
    "frames": {
        "median_filter_s": (0.0, 0.12, 0.2, 0.36, 0.52, 0.76, 1.0, 1.5, 2.0, 3.0),
        "max_gap_s": (0.0, 0.1, 0.2, 0.35, 0.5, 0.8, 1.2, 2.0),
        "min_duration_s": (0.0, 0.1, 0.2, 0.35, 0.5, 0.8, 1.2, 2.0),
        "clip_threshold": (0.0, 0.05, 0.1, 0.2, 0.3, 0.5),
    },
    "boxes": {
        "step_s": (0.5, 0.08, 0.16, 0.24, 0.32, 0.8, 1.2, 2.0),
        "max_relative_dip": (0.5, 0.2, 0.35, 0.65, 0.8, 1.0),
        "max_dip": (0.2, 0.1, 0.3, 0.5, 1.0),
        "min_duration_s": (0.0, 0.1, 0.2, 0.35, 0.5, 0.8, 1.2, 2.0),
    },
}
"""Values that are tried, the one to begin with first."""

CURVES: dict[Kind, type[FrameCurves] | type[BoxCurves]] = {"frames": FrameCurves, "boxes": BoxCurves}


class Tuned(NamedTuple):
    """Rules and what they are worth by the objective on the recordings they were chosen on, `(K,)`.

    `is_tuned` `(K,)` are the classes that had events enough.
    """

    rules: EventRules
    values: Doubles
    is_tuned: NDArray[np.bool_]

    @property
    def mean(self) -> float:
        """Mean over the classes that were tuned; 0 without any."""
        return float(self.values[self.is_tuned].mean()) if self.is_tuned.any() else 0.0


def tune(
    clips: ScoredClips, present: EventRules, min_events: int, kinds: tuple[Kind, ...], objective: Objective
) -> Tuned:
    """The better kind of rules, by the mean of the objective over the classes; of equals the first.

    Args:
        clips: the recordings to choose on.
        present: the rules that classes with fewer than `min_events` events keep.
        min_events: how many true events a class must have.
        kinds: the kinds of rules to try.
        objective: the F score or area that is to be as high as possible in every class.
    """
    tuned = [_tune_kind(clips, present, kind, objective, min_events) for kind in kinds]
    return max(tuned, key=lambda candidate: candidate.mean)


def tune_tags(clips: ScoredClips, present: EventRules, min_events: int) -> Tuned:
    """The thresholds at which recordings as a whole are tagged with the best F score; other rules stay."""
    chances = np.stack([scores.clip().probabilities for scores in clips.scores])
    best = best_clip_thresholds(chances, clips.targets > 0)
    is_tuned = clips.n_tagged >= min_events
    thresholds = np.where(is_tuned, best.thresholds, present.thresholds)
    rules = replace(present, thresholds=tuple(thresholds.tolist()))
    return Tuned(rules, np.where(is_tuned, best.f_scores, np.nan), is_tuned)


def tune_halves(clips: ScoredClips, choose: Callable[[ScoredClips], Tuned]) -> list[EventRules]:
    """Rules for every recording, chosen on the other half; recordings of one origin stay together.

    Raises:
        DataError: when all recordings have one origin.
    """
    origins = sorted({clip.origin for clip in clips.clips})
    if len(origins) < 2:
        raise DataError(f"all recordings come from {origins[0]}: they cannot be halved")
    random.Random(_SEED).shuffle(origins)
    first = set(origins[: len(origins) // 2])
    is_first = np.array([clip.origin in first for clip in clips.clips])
    by_first, by_second = (choose(clips.part(half)).rules for half in (is_first, ~is_first))
    return [by_second if own else by_first for own in is_first]


def _tune_kind(
    clips: ScoredClips, present: EventRules, kind: Kind, objective: Objective, min_events: int
) -> Tuned:
    has_events, is_tuned = clips.n_events > 0, clips.n_events >= min_events
    grid = _different(kind, float(clips.scores[0].grid.durations_s[0]))
    found = search_rules(clips.of_classes(has_events), grid, CURVES[kind], objective)
    chosen = is_tuned[has_events]
    thresholds, values = np.array(present.thresholds), np.full(len(clips.labels), np.nan)
    thresholds[is_tuned], values[is_tuned] = found.thresholds[chosen], found.values[chosen]
    mixed = {name: column.copy() for name, column in _varied(kind, present).items()}
    for name, column in mixed.items():
        column[is_tuned] = found.rules[name][chosen]
    return Tuned(_rules(kind, mixed, thresholds), values, is_tuned)


def _different(kind: Kind, frame_s: float) -> dict[str, list[float]]:
    """The values that are tried, less those that are the same number of frames as an earlier one."""
    grid = {}
    for name, values in _VARIED[kind].items():
        firsts = {_in_frames(name, value, frame_s): value for value in reversed(values)}
        grid[name] = [value for value in values if value in firsts.values()]
    return grid


def _in_frames(name: str, value: float, frame_s: float) -> float:
    """How long a rule is in whole frames; what is no length stays as it is."""
    match name:
        case "median_filter_s":
            return math.floor(value / frame_s / 2)
        case "max_gap_s":
            return gap_frames(value, frame_s)
        case "min_duration_s":
            return min_frames(value, frame_s)
        case "step_s":
            return step_frames(value, frame_s)
    return value


def _rules(kind: Kind, varied: Varied, thresholds: Doubles) -> EventRules:
    values = {name: tuple(column.tolist()) for name, column in varied.items()}
    if kind == "frames":
        return EventRules(
            tuple(thresholds.tolist()),
            values["median_filter_s"],
            values["min_duration_s"],
            values["max_gap_s"],
            values["clip_threshold"],
        )
    boxes = BoxRules(values["step_s"], values["max_dip"], values["max_relative_dip"])
    return EventRules(tuple(thresholds.tolist()), min_duration_s=values["min_duration_s"], boxes=boxes)


def _varied(kind: Kind, rules: EventRules) -> Varied:
    """The rules of this kind; where there are others, the usual ones."""
    if kind == "frames":
        of_frames = rules if rules.boxes is None else EventRules.usual(rules.thresholds)
        return {name: of_frames.per_class(name) for name in _VARIED[kind]}
    boxes = (rules.boxes or BoxRules()).of_classes(rules.n_classes)
    columns = {name: np.array([getattr(rule, name) for rule in boxes]) for name in BoxRule._fields}
    return {**columns, "min_duration_s": rules.per_class("min_duration_s")}
