from __future__ import annotations

import pytest

from htsat.errors import ConfigError
from htsat.rules import BoxRules, EventRules, default_rules

FRAME_S = 0.3125


def test_untuned_thresholds_suit_the_task():
    assert default_rules("multi_label", 3) == EventRules.usual((0.25, 0.25, 0.25))
    assert default_rules("multi_class", 2) == EventRules.usual((0.5, 0.5))


def test_one_number_for_all_classes_or_one_for_each():
    rules = EventRules((0.5,) * 3, max_gap_s=1.5, min_duration_s=(0.1, 0.2, 0.3))
    assert rules.per_class("max_gap_s").tolist() == [1.5, 1.5, 1.5]
    assert rules.per_class("min_duration_s").tolist() == [0.1, 0.2, 0.3]
    assert rules.per_class("thresholds").tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("field", ["median_filter_s", "min_duration_s", "max_gap_s", "clip_threshold"])
def test_rules_for_another_number_of_classes_are_refused(field):
    with pytest.raises(ConfigError, match=rf"^{field} must have one value per class \(3\), got 2$"):
        EventRules((0.5,) * 3, **{field: (0.1, 0.2)})


@pytest.mark.parametrize("field", ["step_s", "max_dip", "max_relative_dip"])
def test_rules_of_boxes_for_another_number_of_classes_are_refused(field):
    with pytest.raises(ConfigError, match=rf"^{field} must have one value per class \(3\), got 2$"):
        EventRules((0.5,) * 3, boxes=BoxRules(**{field: (0.1, 0.2)}))


@pytest.mark.parametrize("field", ["median_filter_s", "max_gap_s", "clip_threshold"])
def test_boxes_know_no_rules_on_frames(field):
    with pytest.raises(ConfigError, match=f"^{field} is a rule on frames and must be 0 for boxes$"):
        EventRules((0.5, 0.5), **{field: (0.0, 0.1)}, boxes=BoxRules())


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_step_takes_time(value):
    with pytest.raises(ConfigError, match=f"^step_s must be a number of seconds above 0, got {value}$"):
        BoxRules(step_s=(0.5, value))


@pytest.mark.parametrize("field", ["max_dip", "max_relative_dip"])
def test_dips_are_shares(field):
    with pytest.raises(ConfigError, match=f"^{field} must be between 0 and 1, got 1.5$"):
        BoxRules(**{field: 1.5})


def test_boxes_class_by_class():
    rules = BoxRules(step_s=(0.1, 0.2), max_dip=0.3, max_relative_dip=(0.4, 0.5))
    assert [tuple(rule) for rule in rules.of_classes(2)] == [(0.1, 0.3, 0.4), (0.2, 0.3, 0.5)]


@pytest.mark.parametrize(
    ("median_filter_s", "n_frames"),
    [(0, 1), (0.3125, 1), (0.6, 1), (0.7, 3), (0.9375, 3), (1.3, 5), (3, 9)],
)
def test_the_median_filter_is_the_nearest_odd_number_of_frames(median_filter_s, n_frames):
    rules = EventRules((0.5, 0.5), median_filter_s=(median_filter_s, 0.0))
    assert rules.median_filter_frames(FRAME_S).tolist() == [n_frames, 1]


@pytest.mark.parametrize("field", ["median_filter_s", "min_duration_s", "max_gap_s"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_times_out_of_range_are_refused(field, value):
    with pytest.raises(ConfigError, match=f"{field} must be a number of seconds, at least 0, got {value}"):
        EventRules((0.5,), **{field: value})


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_probabilities_out_of_range_are_refused(value):
    with pytest.raises(ConfigError, match=f"thresholds must be between 0 and 1, got {value}"):
        EventRules((0.5, value))
    with pytest.raises(ConfigError, match=f"clip_threshold must be between 0 and 1, got {value}"):
        EventRules((0.5,), clip_threshold=value)


def test_the_longest_median_filter():
    with pytest.raises(ConfigError, match=r"^median_filter_s must be at most 3600 seconds, got 5000$"):
        EventRules((0.5,), median_filter_s=5000.0)
