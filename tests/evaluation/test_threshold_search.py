from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htsat.evaluation import strips, threshold_search
from htsat.evaluation.event_curves import event_curves
from htsat.evaluation.measures import F_SCORES
from htsat.evaluation.strips import Strip
from htsat.evaluation.threshold_search import best_clip_thresholds, best_thresholds
from htsat.metrics.event_table import EventTable
from htsat.recognition.events import find_events
from htsat.rules import BoxRules, EventRules

ANY = (0.0,) * 4
RULES = {
    "plain": EventRules(ANY),
    "frames": EventRules(
        ANY, median_filter_s=0.5, max_gap_s=0.2, min_duration_s=0.3, clip_threshold=(0.2, 0.0, 0.3, 0.1)
    ),
    "boxes": EventRules(ANY, boxes=BoxRules(step_s=0.4)),
}


@pytest.fixture(scope="module")
def clips(scored_clips):
    return scored_clips(n_recordings=3, duration_s=3.0, seed=1)


@pytest.fixture(scope="module")
def many(scored_clips):
    return scored_clips(n_recordings=12, duration_s=4.0)


def curves_of(clips, kind):
    return Strip.of([event_curves(scores, RULES[kind]) for scores in clips.scores])


def f_scores(clips, rules, metric):
    """F scores of what the rules detect, by the metric itself; 0 where it has none."""
    found = {str(number): find_events(scores, rules) for number, scores in enumerate(clips.scores)}
    estimated = EventTable.of(found, list(found), clips.labels)
    return np.nan_to_num(F_SCORES[metric](clips.reference, estimated, 4).f_scores())


@pytest.mark.parametrize("kind", list(RULES))
@pytest.mark.parametrize("metric", list(F_SCORES))
def test_no_threshold_is_better(clips, kind, metric):
    curves = curves_of(clips, kind)
    own = np.unique(curves.rows[0]).tolist()
    every = np.stack([f_scores(clips, replace(RULES[kind], thresholds=(t,) * 4), metric) for t in own])
    best = best_thresholds(curves, clips.reference, F_SCORES[metric])
    assert best.f_scores[0] == pytest.approx(every[:, 0].max())
    assert (best.f_scores >= every.max(axis=0) - 1e-12).all()
    chosen = replace(RULES[kind], thresholds=tuple(best.thresholds.tolist()))
    np.testing.assert_allclose(f_scores(clips, chosen, metric), best.f_scores)


@pytest.mark.parametrize("metric", list(F_SCORES))
def test_goals_leave_out_only_what_cannot_reach_them(many, metric):
    curves, reference = curves_of(many, "frames"), many.reference
    full = best_thresholds(curves, reference, F_SCORES[metric])
    reached = best_thresholds(curves, reference, F_SCORES[metric], full.f_scores)
    np.testing.assert_array_equal(np.array(reached), np.array(full))
    missed = best_thresholds(curves, reference, F_SCORES[metric], np.ones(4))
    assert (missed.f_scores <= full.f_scores).all()


def test_the_parts_that_are_counted_together_do_not_matter(many, monkeypatch):
    whole = best_thresholds(curves_of(many, "plain"), many.reference, F_SCORES["intersection"])
    monkeypatch.setattr(threshold_search, "MAX_ROWS", 50)
    parts = best_thresholds(curves_of(many, "plain"), many.reference, F_SCORES["intersection"])
    np.testing.assert_array_equal(np.array(whole), np.array(parts))


def test_the_classes_that_are_looked_at_together_do_not_matter(many, monkeypatch):
    whole = best_thresholds(curves_of(many, "frames"), many.reference, F_SCORES["collar"])
    monkeypatch.setattr(strips, "FRAMES_AT_ONCE", 1)
    alone = best_thresholds(curves_of(many, "frames"), many.reference, F_SCORES["collar"])
    np.testing.assert_array_equal(np.array(whole), np.array(alone))


def test_classes_of_which_nothing_is_known(many):
    others = many.reference.where(many.reference.classes != 1)
    best = best_thresholds(curves_of(many, "plain"), others, F_SCORES["collar"])
    assert (best.f_scores[1], best.thresholds[1]) == (0, 1)
    assert best.f_scores[0] > 0


def test_the_highest_of_equal_thresholds_lies_halfway_to_the_next_score():
    chances = np.array([[0.9, 0.2], [0.7, 0.4], [0.3, 0.5], [0.1, 0.7]], np.float32)
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 0]], bool)
    best = best_clip_thresholds(chances, targets)
    np.testing.assert_allclose(best.f_scores, [1, 0.5])
    np.testing.assert_allclose(best.thresholds, [0.5, 0.3])


def test_tags_without_positives_are_never_given():
    best = best_clip_thresholds(np.array([[0.9], [0.7]], np.float32), np.zeros((2, 1), bool))
    assert (best.f_scores.tolist(), best.thresholds.tolist()) == ([0], [1])
