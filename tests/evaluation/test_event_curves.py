from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from htsat.evaluation import event_curves as event_curves_module
from htsat.evaluation.event_curves import event_curves
from htsat.recognition.events import find_events
from htsat.rules import BoxRules, EventRules
from htsat.scores import FrameGrid, FrameScores

FRAME_S = 0.1
ANY = (0.0,) * 4
RULES = (
    EventRules(ANY),
    EventRules(ANY, median_filter_s=0.5),
    EventRules(ANY, max_gap_s=0.3),
    EventRules(ANY, min_duration_s=0.4),
    EventRules(ANY, clip_threshold=0.5),
    EventRules(ANY, (0.0, 0.3, 0.7, 30.0), (0.2, 0.0, 0.6, 0.3), (0.0, 0.1, 0.4, 30.0), (0.1, 0.0, 0.3, 0.6)),
    EventRules(ANY, max_gap_s=0.3, min_duration_s=30.0),
    EventRules(ANY, min_duration_s=0.3, boxes=BoxRules((0.2, 0.3, 0.4, 0.5))),
)


def runs(curve, threshold, label):
    """Where a curve is above a threshold."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], curve > threshold, [0]])))
    return [(label, start * FRAME_S, stop * FRAME_S) for start, stop in edges.reshape(-1, 2)]


@pytest.mark.parametrize("rules", RULES)
def test_at_any_threshold_the_runs_are_the_events(scored_clips, rules):
    for scores in scored_clips(n_recordings=2).scores:
        curves = event_curves(scores, rules)
        assert curves.grid is scores.grid
        for threshold in (0.0, 0.04, 0.31, 0.5, 0.93):
            expected = find_events(scores, replace(rules, thresholds=(threshold,) * 4))
            columns = zip(curves.probabilities.T, scores.labels, strict=True)
            found = [run for curve, label in columns for run in runs(curve, np.float32(threshold), label)]
            found, expected = sorted(found), sorted(event[:3] for event in expected)
            assert [run[0] for run in found] == [event[0] for event in expected]
            times = [run[1:] for run in found], [event[1:] for event in expected]
            np.testing.assert_allclose(*times, atol=1e-9)


def test_without_rules_the_curves_are_the_probabilities(scored_clips):
    [scores] = scored_clips(n_recordings=1).scores
    np.testing.assert_array_equal(event_curves(scores, RULES[0]).probabilities, scores.probabilities)


def test_a_recording_of_one_frame(scored_clips):
    [scores] = scored_clips(n_recordings=1).scores
    grid = FrameGrid(scores.grid.boundaries_s[:2])
    one = FrameScores(scores.logits[:1], scores.clip_logits[:1], grid, scores.labels, "multi_label")
    rules = EventRules(ANY, median_filter_s=1.0, max_gap_s=1.0, min_duration_s=(0.1, 0.1, 0.2, 0.3))
    curves = event_curves(one, rules).probabilities
    np.testing.assert_array_equal(curves[:, :2], one.probabilities[:, :2])
    assert not curves[:, 2:].any()


def test_the_classes_that_are_sorted_together_do_not_matter(scored_clips, monkeypatch):
    [scores] = scored_clips(n_recordings=1).scores
    whole = event_curves(scores, RULES[1]).probabilities
    monkeypatch.setattr(event_curves_module, "_SORTED_TOGETHER", 1)
    np.testing.assert_array_equal(event_curves(scores, RULES[1]).probabilities, whole)
