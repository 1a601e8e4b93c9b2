"""The search is, to the last bit, one that hears every recording alone, tries all and remembers nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htsat.evaluation import strips
from htsat.evaluation.event_curves import event_curves
from htsat.evaluation.measures import F_SCORES, PSDS, class_areas
from htsat.evaluation.rule_search import search_rules
from htsat.evaluation.strips import Strip
from htsat.evaluation.threshold_search import best_thresholds
from htsat.evaluation.tuning import CURVES
from htsat.metrics.intersection_based import Tolerances, count_intersecting_events
from htsat.rules import BoxRules, EventRules

GRIDS = {
    "frames": {
        "median_filter_s": (0.7, 0.0, 0.3),
        "max_gap_s": (0.5, 0.0, 0.2),
        "min_duration_s": (0.6, 0.0, 0.3),
        "clip_threshold": (0.1, 0.0, 0.5),
    },
    "boxes": {
        "step_s": (0.2, 0.5, 0.3),
        "max_relative_dip": (0.2, 0.8),
        "max_dip": (0.2, 0.5),
        "min_duration_s": (1.2, 0.0, 0.4),
    },
}
"""Begins with what is not good, so that there is something to find."""

OBJECTIVES = (*F_SCORES, *PSDS)


@pytest.fixture(scope="module")
def clips(scored_clips):
    """Recordings of several lengths; the class of which there are but few events is true in one."""
    made = [scored_clips(n_recordings=3, duration_s=duration_s, seed=5) for duration_s in (4.0, 3.03, 5.0)]
    whole = scored_clips(n_recordings=9)
    tables = [
        replace(own.reference, recordings=own.reference.recordings + 3 * n) for n, own in enumerate(made)
    ]
    columns = ("recordings", "classes", "onsets_s", "offsets_s")
    joined = {name: np.concatenate([getattr(table, name) for table in tables]) for name in columns}
    scores = tuple(own for part in made for own in part.scores)
    return replace(whole, scores=scores, reference=type(whole.reference)(**joined))


def rules_of(kind, varied):
    columns = {name: tuple(column.tolist()) for name, column in varied.items()}
    if kind == "frames":
        return EventRules((0.0,) * 4, **columns)
    min_duration_s = columns.pop("min_duration_s")
    return EventRules((0.0,) * 4, min_duration_s=min_duration_s, boxes=BoxRules(**columns))


def slow_search(clips, kind, objective):
    """Rules, thresholds and values of all classes."""
    count = F_SCORES.get(objective)
    if count is None:
        shares = Tolerances(PSDS[objective].dtc, PSDS[objective].gtc)
        count = lambda *tables: count_intersecting_events(*tables, shares)  # noqa: E731

    def best_of(varied):
        curves = [event_curves(scores, rules_of(kind, varied)) for scores in clips.scores]
        best = best_thresholds(Strip.of(curves), clips.reference, count)
        if objective in PSDS:
            return class_areas(clips, curves, objective).class_values, best.thresholds
        return best.f_scores, best.thresholds

    varied = {name: np.full(4, values[0]) for name, values in GRIDS[kind].items()}
    best, _ = best_of(varied)
    for _ in range(3):
        for name, values in GRIDS[kind].items():
            for value in values:
                found, _ = best_of({**varied, name: np.full(4, value)})
                is_better = found > best + 0.2 / clips.n_events
                varied[name] = np.where(is_better, value, varied[name])
                best = np.where(is_better, found, best)
    return varied, best_of(varied)[1], best


@pytest.mark.parametrize("kind", list(GRIDS))
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_as_the_slow_search(clips, kind, objective):
    found = search_rules(clips, GRIDS[kind], CURVES[kind], objective)
    rules, thresholds, values = slow_search(clips, kind, objective)
    for name, column in rules.items():
        np.testing.assert_array_equal(found.rules[name], column)
    np.testing.assert_array_equal(found.values, values)
    np.testing.assert_array_equal(found.thresholds, thresholds)
    assert any(len(np.unique(column)) > 1 for column in rules.values())


@pytest.mark.parametrize("objective", ["collar", "psds2"])
def test_the_classes_that_are_searched_together_do_not_matter(clips, objective, monkeypatch):
    together = search_rules(clips, GRIDS["frames"], CURVES["frames"], objective)
    monkeypatch.setattr(strips, "FRAMES_AT_ONCE", 1)
    alone = search_rules(clips, GRIDS["frames"], CURVES["frames"], objective)
    np.testing.assert_array_equal(together.values, alone.values)
    np.testing.assert_array_equal(together.thresholds, alone.thresholds)
    assert {name: column.tolist() for name, column in together.rules.items()} == {
        name: column.tolist() for name, column in alone.rules.items()
    }
