from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from htsat.data.manifest import Clip
from htsat.errors import DataError
from htsat.evaluation import tuning
from htsat.evaluation.measures import measure, measure_tags
from htsat.evaluation.tuning import tune, tune_halves, tune_tags
from htsat.rules import BoxRules, EventRules

PRESENT = EventRules.usual((0.11, 0.12, 0.13, 0.14))
FEW = {
    "frames": {
        "median_filter_s": (0.0, 0.3, 0.35, 0.7),
        "max_gap_s": (0.0, 0.3),
        "min_duration_s": (0.0, 0.3),
        "clip_threshold": (0.0, 0.1),
    },
    "boxes": {
        "step_s": (0.5, 0.3),
        "max_relative_dip": (0.5, 0.8),
        "max_dip": (0.2, 0.5),
        "min_duration_s": (0.0, 0.3),
    },
}


@pytest.fixture(autouse=True)
def few_values(monkeypatch):
    monkeypatch.setattr(tuning, "_VARIED", FEW)


@pytest.fixture(scope="module")
def clips(scored_clips):
    return scored_clips(n_recordings=8)


def tuned(clips, kind="frames", objective="collar", min_events=2):
    return tune(clips, PRESENT, min_events, (kind,), objective)


@pytest.mark.parametrize("kind", ["frames", "boxes"])
@pytest.mark.parametrize("objective", ["collar", "intersection", "segment", "psds1", "psds2"])
def test_what_is_promised_is_measured(clips, kind, objective):
    found = tuned(clips, kind, objective)
    after, before = (measure(clips, [rules] * len(clips)) for rules in (found.rules, PRESENT))
    own = found.is_tuned
    assert own.tolist() == [True, True, True, False]
    np.testing.assert_allclose(after.per_class()[objective][own], found.values[own])
    if kind == "frames" and objective in ("collar", "intersection", "segment"):
        assert found.mean > before.per_class()[objective][own].mean() + 0.05


@pytest.mark.parametrize("kind", ["frames", "boxes"])
def test_classes_with_too_few_events_keep_their_rules(clips, kind):
    rules = tuned(clips, kind).rules
    assert rules.thresholds[3] == 0.14
    kept = EventRules(rules.thresholds, boxes=BoxRules()) if kind == "boxes" else PRESENT
    for name in ("median_filter_s", "max_gap_s", "min_duration_s", "clip_threshold"):
        assert rules.per_class(name)[3] == kept.per_class(name)[3]
    if kind == "boxes":
        assert rules.boxes.of_classes(4)[3] == kept.boxes.of_classes(4)[3]


def test_the_better_kind_is_taken(clips):
    alone = {kind: tuned(clips, kind) for kind in ("frames", "boxes")}
    better = max(alone.values(), key=lambda found: found.mean)
    assert tune(clips, PRESENT, 2, ("frames", "boxes"), "collar").rules == better.rules
    assert alone["frames"].mean != alone["boxes"].mean


def test_a_multi_class_model_is_tuned_by_its_own_probabilities(clips):
    competing = [replace(scores, task="multi_class") for scores in clips.scores]
    multi_class = replace(clips, scores=tuple(competing))
    found = tuned(multi_class)
    own = found.is_tuned
    after = measure(multi_class, [found.rules] * len(clips)).per_class()["collar"]
    np.testing.assert_allclose(after[own], found.values[own])


def test_the_halves_are_measured_with_the_rules_of_the_other(clips):
    choose = partial(tune, present=PRESENT, min_events=1, kinds=("frames",), objective="collar")
    rules = tune_halves(clips, choose)
    first = np.array([rule == rules[0] for rule in rules])
    assert 0 < first.sum() < len(clips)
    assert choose(clips.part(~first)).rules == rules[0]


def test_recordings_of_one_origin_cannot_be_halved(clips):
    together = replace(clips, clips=tuple(Clip(clip.path, (), group="one") for clip in clips.clips))
    with pytest.raises(DataError, match=r"^all recordings come from one: they cannot be halved$"):
        tune_halves(together, tuned)


def test_tags_get_the_thresholds_of_the_best_f_score(clips):
    found = tune_tags(clips, PRESENT, min_events=2)
    assert found.rules == replace(PRESENT, thresholds=found.rules.thresholds)
    assert found.rules.thresholds[3] == 0.14
    own = found.is_tuned
    after = measure_tags(clips, [found.rules] * len(clips)).per_class()["tags"]
    np.testing.assert_allclose(after[own], found.values[own])
    for threshold in np.linspace(0, 1, 30).tolist():
        other = measure_tags(clips, [EventRules((threshold,) * 4)] * len(clips)).per_class()["tags"]
        assert (other[own] <= after[own] + 1e-12).all()
