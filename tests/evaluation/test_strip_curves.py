"""The curves of all recordings at once are, to the last bit, those of every recording alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from htsat.evaluation.event_curves import event_curves
from htsat.evaluation.strip_curves import BoxCurves, FrameCurves
from htsat.evaluation.strips import Layout
from htsat.labels import LabelSet
from htsat.rules import BoxRules, EventRules
from htsat.scores import FrameGrid, FrameScores

LABELS = LabelSet(("bark", "hum"))
LONGEST_S = 2.0


def recording(rng, n_frames, frame_s, kind):
    logits = rng.normal(-1, 2, (n_frames, 2)).astype(np.float32)
    if kind == "coarse":
        logits = np.round(logits)
    if kind == "silent":
        logits[rng.random((n_frames, 2)) < 0.7] = -80  # counts nothing in whole steps
    grid = FrameGrid.regular(n_frames, frame_s, n_frames * frame_s)
    return FrameScores(logits, np.roll(logits, 3, axis=0), grid, LABELS, "multi_label")


@pytest.fixture(scope="module", params=["fine", "coarse", "silent"])
def scores(request):
    rng = np.random.default_rng(3)
    of_model = [recording(rng, n_frames, 0.1, request.param) for n_frames in (30, 1, 7, 2, 55, 12, 3)]
    return [*of_model, recording(rng, 1, 0.03, request.param), recording(rng, 1, 0.05, request.param)]


def assert_same(scores, curves, rules, of_class):
    layout = Layout.of([own.grid for own in scores], LONGEST_S, curves.N_SIDES)
    expected = [event_curves(own, rules).probabilities for own in scores]
    for index in range(2):
        row = curves(scores, layout, index).row(of_class)
        assert row.dtype == np.float32
        np.testing.assert_array_equal(row, layout.row(expected, index))


@pytest.mark.parametrize("median_filter_s", [0.0, 0.3, 0.7, 2.0])
@pytest.mark.parametrize("clip_threshold", [0.0, 0.3])
def test_on_frames(scores, median_filter_s, clip_threshold):
    for max_gap_s, min_duration_s in itertools.product((0.0, 0.1, 0.35, 2.0), (0.0, 0.04, 0.2, 0.45, 2.0)):
        rules = EventRules((0.0,) * 2, median_filter_s, min_duration_s, max_gap_s, clip_threshold)
        names = ("median_filter_s", "min_duration_s", "max_gap_s", "clip_threshold")
        assert_same(scores, FrameCurves, rules, {name: getattr(rules, name) for name in names})


@pytest.mark.parametrize("step_s", [0.05, 0.1, 0.2, 0.5, 2.0])
def test_boxes(scores, step_s):
    for max_dip, max_relative_dip, min_duration_s in itertools.product(
        (0.1, 0.5), (0.2, 1.0), (0.0, 0.04, 0.3)
    ):
        boxes = BoxRules(step_s, max_dip, max_relative_dip)
        rules = EventRules((0.0,) * 2, min_duration_s=min_duration_s, boxes=boxes)
        of_class = {**boxes.of_classes(1)[0]._asdict(), "min_duration_s": min_duration_s}
        assert_same(scores, BoxCurves, rules, of_class)


def test_rules_may_come_again(scores):
    layout = Layout.of([own.grid for own in scores], LONGEST_S, BoxCurves.N_SIDES)
    maker = BoxCurves(scores, layout, 0)
    wide, narrow = (
        {"step_s": step_s, "max_dip": 0.3, "max_relative_dip": 0.5, "min_duration_s": 0.2}
        for step_s in (0.5, 0.1)
    )
    first, other, again = (maker.row(rules) for rules in (wide, narrow, wide))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
