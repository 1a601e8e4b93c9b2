"""Classes that no clip has, or all; one class, one clip, none; scores that are all alike. Nothing warns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from htsat.errors import DataError
from htsat.evaluation.event_curves import EventCurves
from htsat.metrics.calibration import calibration_report, fit_platt_scaling
from htsat.metrics.clip_based import accuracy, average_precision, d_prime, mean_average_precision, roc_auc
from htsat.metrics.collar_based import Collar, count_near_events
from htsat.metrics.counting import Counts
from htsat.metrics.event_table import EventTable
from htsat.metrics.intersection_based import Tolerances, count_intersecting_events
from htsat.metrics.psds import PSDS1, PSDS2, ScoredRecording, psds
from htsat.metrics.segment_based import count_segments
from htsat.metrics.summary import RankedClips
from htsat.scores import FrameGrid

N_CLIPS = 12
SOME = (np.arange(N_CLIPS) % 3 == 0).astype(np.float32)
NONE, ALL = np.zeros(N_CLIPS, np.float32), np.ones(N_CLIPS, np.float32)
MIXED = np.stack([NONE, ALL, SOME], axis=1)
"""Targets: a class that no clip has, one that all have, and one that a third has."""


def scores(kind: str, shape: tuple[int, ...] = MIXED.shape) -> np.ndarray:
    random = np.random.default_rng(0).random(shape).astype(np.float32)
    return {"random": random, "zero": np.zeros_like(random), "one": np.ones_like(random)}[kind]


KINDS = ("random", "zero", "one")


@pytest.mark.parametrize("kind", KINDS)
def test_precision_and_area_exist_where_there_is_something_to_order(kind):
    precision, area = average_precision(scores(kind), MIXED), roc_auc(scores(kind), MIXED)
    assert np.isnan(precision).tolist() == [True, False, False]
    assert precision[1] == 1
    assert np.isnan(area).tolist() == [True, True, False]
    assert mean_average_precision(scores(kind), MIXED) == pytest.approx(np.mean(precision[1:]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", [NONE, ALL])
def test_without_a_class_to_order_there_is_no_area_and_no_d_prime(kind, targets):
    ranked = RankedClips.of(scores(kind, (N_CLIPS, 1)), targets[:, None], "multi_label")
    summary, interval = ranked.summary(), ranked.interval_95(seed=0, n_resamples=20)
    has_positives = bool(targets.any())
    assert math.isnan(summary.mean_average_precision) != has_positives
    assert math.isnan(interval.mean_average_precision.low) != has_positives
    for value in (summary.mean_roc_auc, summary.d_prime, *interval.mean_roc_auc, *interval.d_prime):
        assert math.isnan(value)


@pytest.mark.parametrize("targets", [MIXED[:1], np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)])
def test_a_single_clip(targets):
    ranked = RankedClips.of(scores("random", targets.shape), targets, "multi_label")
    assert math.isnan(ranked.summary().mean_roc_auc)
    ranked.interval_95(seed=0, n_resamples=5)


def test_a_single_class_is_always_right():
    targets = np.ones((5, 1), np.float32)
    assert accuracy(scores("random", (5, 1)), targets) == 1.0
    assert RankedClips.of(scores("random", (5, 1)), targets, "multi_class").summary().accuracy == 1.0


def test_areas_at_the_ends():
    assert (d_prime(1.0), d_prime(0.0)) == (math.inf, -math.inf)
    assert d_prime(0.5) == 0


# Calibration.


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_positives_or_without_negatives_stays_uncalibrated(kind):
    scaling = fit_platt_scaling(scores(kind), MIXED)
    assert scaling.scales[:2].tolist() == [1, 1]
    assert scaling.offsets[:2].tolist() == [0, 0]
    assert np.isfinite([scaling.scales, scaling.offsets]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_calibration_error_of_a_class_that_nobody_has_does_not_exist(kind):
    report = calibration_report(scores(kind), MIXED)
    assert np.isnan(report.class_errors).tolist() == [True, False, False]
    assert 0 <= report.equal_counts.expected_calibration_error <= 1


def test_probabilities_of_exactly_0_and_1_that_are_right_are_calibrated():
    report = calibration_report(MIXED, MIXED)
    assert report.equal_counts.expected_calibration_error == 0
    assert report.equal_width.brier.score == 0


@pytest.mark.parametrize("size", [1e2, 1e5, 1e30, 3e38])
@pytest.mark.parametrize("right", [True, False])
def test_huge_logits_are_calibrated_to_finite_ones(size, right):
    """All probabilities are 0 or 1 there, so that the loss has no curvature."""
    targets = SOME[:, None]
    sign = 1 if right else -1
    logits = (sign * size * (2 * targets - 1)).astype(np.float32)
    scaling = fit_platt_scaling(logits, targets)
    assert np.isfinite(scaling.apply(logits)).all()
    mixed = np.where(np.arange(N_CLIPS) % 2, logits[:, 0], -logits[:, 0])[:, None]
    assert np.isfinite(fit_platt_scaling(mixed, targets).scales).all()


# Events.

METRICS = {
    "collar": lambda true, heard: count_near_events(true, heard, 3, Collar()),
    "intersection": lambda true, heard: count_intersecting_events(true, heard, 3, Tolerances()),
    "segment": lambda true, heard: count_segments(true, heard, 3, 1.0),
}
EVENT = (0, 1, 0.5, 2.0)


@pytest.mark.parametrize("metric", METRICS)
def test_f_scores_of_classes_without_events(table, metric):
    """Without reference and estimate there is no F score; what is only estimated is no part of the mean."""
    count = METRICS[metric]
    nothing, one = table([]), table([EVENT])
    assert np.isnan(count(nothing, nothing).macro_f())
    assert np.isnan(count(nothing, nothing).micro_f())
    assert count(one, one).f_scores()[1] == 1
    assert np.isnan(count(one, one).f_scores()[[0, 2]]).all()
    assert count(one, one).macro_f() == 1
    missed, invented = count(one, nothing), count(nothing, one)
    assert (missed.macro_f(), missed.micro_f()) == (0, 0)
    assert np.isnan(invented.macro_f())
    assert invented.micro_f() == 0


def test_no_class_at_all():
    counts = Counts(*np.zeros((3, 0), np.intp))
    assert np.isnan([counts.macro_f(), counts.micro_f()]).all()


def recording(probabilities: np.ndarray) -> ScoredRecording:
    return EventCurves(
        probabilities.astype(np.float32),
        FrameGrid.regular(len(probabilities), 1.0, float(len(probabilities))),
    )


@pytest.mark.parametrize("parameters", [PSDS1, PSDS2])
@pytest.mark.parametrize("kind", KINDS)
def test_psds_leaves_classes_without_events_out(table, parameters, kind):
    truth = table([EVENT])
    found = psds([recording(scores(kind, (4, 3)))], truth, np.array([4.0]), parameters)
    assert np.isnan(found.class_values).tolist() == [True, False, True]
    assert 0 <= found.value <= 1
    assert found.value == pytest.approx(found.class_values[1])


def test_psds_without_any_event_is_refused(table):
    nothing = EventTable(*(np.zeros(0, kind) for kind in (np.intp, np.intp, float, float)))
    with pytest.raises(DataError, match="there are no true events to detect"):
        psds([recording(scores("random", (4, 3)))], nothing, np.array([4.0]))
