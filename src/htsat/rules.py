"""When a class counts as sounding: the rules that make events of scores, as a model carries them.

K classes. Times are in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.errors import ConfigError
from htsat.scores import Task

PerClass = float | tuple[float, ...]
"""One number for all classes, or one for each."""

# Multi-label: thresholds published for AudioSet probabilities lie around a quarter (official behaviour 12).
# Multi-class: the probabilities compete, so an active class holds the majority.
_LONGEST_FILTER_S = 3600.0
"""An hour: a filter holds so many frames in memory."""
_DEFAULT_THRESHOLDS: dict[Task, float] = {"multi_label": 0.25, "multi_class": 0.5}


class BoxRule(NamedTuple):
    """The rules for the boxes of one class, see `BoxRules`."""

    step_s: float
    max_dip: float
    max_relative_dip: float


@dataclass(frozen=True)
class BoxRules:
    """How scores become boxes, sounds whose extent depends on no threshold; each rule may be one per class.

    - `step_s`: the stretch of time on either side over which scores are averaged before they are compared,
      rounded to at least one frame. Longer steps pass over more of the noise and of the short sounds.
    - `max_dip`, `max_relative_dip`: neighbours are two where the mean score of the gap between them lies
      more than this below the higher of their confidences; the first as a probability, the second as a
      share of that confidence. 1 switches a rule off.

    Raises:
        ConfigError: naming the field that is out of range.
    """

    step_s: PerClass = 0.5
    max_dip: PerClass = 0.2
    max_relative_dip: PerClass = 0.5

    def __post_init__(self) -> None:
        for value in _values(self.step_s):
            if not 0 < value < math.inf:
                raise ConfigError(f"step_s must be a number of seconds above 0, got {value}")
        for name in ("max_dip", "max_relative_dip"):
            _require_probabilities(name, getattr(self, name))

    def of_classes(self, n_classes: int) -> list[BoxRule]:
        """The rules class by class.

        Raises:
            ConfigError: when a rule is given per class, but for another number of classes.
        """
        names = BoxRule._fields
        columns = (_per_class(name, getattr(self, name), n_classes).tolist() for name in names)
        return [BoxRule(*values) for values in zip(*columns, strict=True)]


@dataclass(frozen=True)
class EventRules:
    """When a class counts as sounding; the times are in seconds, and 0 switches a rule off.

    All but `thresholds` may be one number for all classes, or one per class.

    - `thresholds`: one probability per class; a frame is active when its probability is strictly
      greater (official behaviour 12).
    - `median_filter_s`: length of a median filter on the probabilities along time, rounded to the
      nearest odd number of frames. At the ends of a recording the filter takes the frames there are
      (of an even number, the lower median).
    - `clip_threshold`: a class is active only in frames where the probability of the clip around them
      reaches this.
    - `max_gap_s`: events of a class that are not farther apart than this become one.
    - `min_duration_s`: events that are then shorter than this are dropped.
    - `boxes`: with these rules events are boxes, kept where their confidence is strictly greater than the
      threshold; the rules on frames (median filter, clip threshold, gap) must be off.

    Raises:
        ConfigError: naming the field that is out of range, or does not fit the others.
    """

    thresholds: tuple[float, ...]
    median_filter_s: PerClass = 0.0
    min_duration_s: PerClass = 0.0
    max_gap_s: PerClass = 0.0
    clip_threshold: PerClass = 0.0
    boxes: BoxRules | None = None

    def __post_init__(self) -> None:
        for name in ("thresholds", "clip_threshold"):
            _require_probabilities(name, getattr(self, name))
        for name in ("median_filter_s", "min_duration_s", "max_gap_s"):
            _require_seconds(name, getattr(self, name))
        longest_s = max(_values(self.median_filter_s))
        if longest_s > _LONGEST_FILTER_S:
            raise ConfigError(
                f"median_filter_s must be at most {_LONGEST_FILTER_S:g} seconds, got {longest_s:g}"
            )
        for name in ("median_filter_s", "min_duration_s", "max_gap_s", "clip_threshold"):
            self.per_class(name)
        if self.boxes is not None:
            self.boxes.of_classes(self.n_classes)
            self._require_no_rules_on_frames()

    def _require_no_rules_on_frames(self) -> None:
        for name in RULES_ON_FRAMES:
            if any(_values(getattr(self, name))):
                raise ConfigError(f"{name} is a rule on frames and must be 0 for boxes")

    @classmethod
    def usual(cls, thresholds: tuple[float, ...]) -> EventRules:
        """What listening applies to a model that nobody has tuned.

        A single frame of 0.3125 s does not interrupt an event, and a class of which the clip around shows
        nothing is not believed. The paper applies neither (official behaviour 12).
        """
        return cls(thresholds, max_gap_s=0.35, clip_threshold=0.1)

    @property
    def n_classes(self) -> int:
        """Number of classes K."""
        return len(self.thresholds)

    def per_class(self, name: str) -> NDArray[np.float64]:
        """One of the rules as a number for each class, `(K,)`."""
        return _per_class(name, getattr(self, name), self.n_classes)

    def median_filter_frames(self, frame_s: float) -> NDArray[np.intp]:
        """Length of the median filter of each class `(K,)`: the odd number of frames nearest to it."""
        lengths = self.per_class("median_filter_s") / frame_s
        return 2 * np.floor(lengths / 2).astype(np.intp) + 1


RULES_ON_FRAMES = ("median_filter_s", "max_gap_s", "clip_threshold")
"""The rules that have no meaning for boxes."""


def default_rules(task: Task, n_classes: int) -> EventRules:
    """Rules of a model that nobody has tuned: thresholds of 0.25 for multi-label, 0.5 for multi-class."""
    return EventRules.usual((_DEFAULT_THRESHOLDS[task],) * n_classes)


def _per_class(name: str, values: PerClass, n_classes: int) -> NDArray[np.float64]:
    """A rule as a number for each class, `(K,)`.

    Raises:
        ConfigError: naming the rule, when it is given for another number of classes.
    """
    if isinstance(values, tuple) and len(values) != n_classes:
        raise ConfigError(f"{name} must have one value per class ({n_classes}), got {len(values)}")
    return np.broadcast_to(np.asarray(values, np.float64), (n_classes,))


def _values(values: PerClass) -> tuple[float, ...]:
    return values if isinstance(values, tuple) else (values,)


def _require_probabilities(name: str, values: PerClass) -> None:
    for value in _values(values):
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} must be between 0 and 1, got {value}")


def _require_seconds(name: str, values: PerClass) -> None:
    for value in _values(values):
        if not 0 <= value < math.inf:
            raise ConfigError(f"{name} must be a number of seconds, at least 0, got {value}")
