"""Groups of a model's classes, and what is known of a group: each is as probable as its most probable member.

K classes of the model, G groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from htsat.evaluation.class_map import Groups
from htsat.labels import LabelSet
from htsat.rules import BoxRule, BoxRules, EventRules
from htsat.scores import ClipScores, log_odds

_FINDS_MORE: dict[str, Callable[[NDArray[np.float64]], np.float64]] = {
    "thresholds": np.min,
    "clip_threshold": np.min,
    "median_filter_s": np.min,
    "min_duration_s": np.min,
    "max_gap_s": np.max,
    "step_s": np.min,
    "max_dip": np.max,
    "max_relative_dip": np.max,
}
"""Which of several rules finds more, or joins more."""


def alone(labels: LabelSet) -> Groups:
    """Each class as a group of its own."""
    return Groups(labels, tuple(np.array([place]) for place in range(len(labels))))


def are_alone(groups: Groups, n_classes: int) -> bool:
    """Whether each of K classes is a group of its own, whatever its name and place."""
    places = [own[0] for own in groups.places if len(own) == 1]
    return len(places) == len(groups.places) and sorted(places) == list(range(n_classes))


def composed(first: Groups, second: Groups) -> Groups:
    """Groups of groups."""
    members = (np.unique(np.concatenate([first.places[place] for place in own])) for own in second.places)
    return Groups(second.labels, tuple(members))


def grouped_clip(scores: ClipScores, groups: Groups) -> ClipScores:
    """The scores of groups for a recording as a whole; see `htsat.class_sets.engine` for their task."""
    if are_alone(groups, len(scores.labels)):
        return ClipScores(groups.largest(scores.logits), groups.labels, scores.task)
    return ClipScores(log_odds(groups.largest(scores.probabilities)), groups.labels, "multi_label")


def merged_rules(rules: EventRules, groups: Groups) -> EventRules:
    """The rules of groups: of the rules of its members each takes those that find most.

    These are the lowest thresholds and least durations, the shortest filters and steps, and the longest gaps
    and deepest dips that are bridged.
    """

    def of_groups(name: str, values: Iterable[float]) -> tuple[float, ...]:
        array = np.array(list(values), np.float64)
        return tuple(float(_FINDS_MORE[name](array[places])) for places in groups.places)

    on_events = ("median_filter_s", "min_duration_s", "max_gap_s", "clip_threshold")
    columns = {name: of_groups(name, rules.per_class(name)) for name in on_events}
    boxes = rules.boxes
    if boxes is not None:
        own = boxes.of_classes(rules.n_classes)
        boxes = BoxRules(
            *(of_groups(name, [getattr(rule, name) for rule in own]) for name in BoxRule._fields)
        )
    return EventRules(of_groups("thresholds", rules.thresholds), **columns, boxes=boxes)
