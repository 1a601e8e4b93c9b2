from __future__ import annotations

import dataclasses
import itertools
import json
import math
import runpy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from htsat.errors import ConfigError, DataError
from htsat.metrics.event_table import EventTable
from htsat.metrics.psds import PSDS1, PSDS2, PsdsParameters, post_processing_independent_psds, psds
from htsat.scores import FrameGrid

TESTS = Path(__file__).parents[1]
CASES = runpy.run_path(str(TESTS / "reference" / "cases.py"))["CASES"]
GOLDEN = json.loads((TESTS / "golden" / "psds" / "psds.json").read_text())
SETTINGS = {"psds1": PSDS1, "psds2": PSDS2}


class Scored(NamedTuple):
    """Scores of one recording."""

    probabilities: np.ndarray
    grid: FrameGrid


class Data(NamedTuple):
    """What `psds` is given."""

    scores: list[Scored]
    reference: EventTable
    durations_s: np.ndarray


def table(events):
    recordings, classes, onsets_s, offsets_s = zip(*sorted(events), strict=True)
    return EventTable(
        np.array(recordings), np.array(classes), np.array(onsets_s, float), np.array(offsets_s, float)
    )


def data(case):
    scores = [
        Scored(values, FrameGrid(boundaries_s))
        for values, boundaries_s in zip(case.scores, case.boundaries_s, strict=True)
    ]
    return Data(scores, table(case.events), case.durations_s)


def small(seed, n_recordings=4, n_classes=3, decimals=2):
    """Scores with many ties on short recordings with short frames, so that few hours make no difference."""
    random = np.random.default_rng(seed)
    scores, events, lengths_s = [], [], []
    for number in range(n_recordings):
        boundaries_s = np.append(0, np.cumsum(random.choice([0.1, 0.25, 1.0], 14)))
        lengths_s.append(boundaries_s[-1])
        values = random.random((14, n_classes)).round(decimals)
        for index in range(n_classes):
            times_s = np.sort(random.random(4)) * boundaries_s[-1]
            for onset_s, offset_s in times_s.reshape(2, 2)[: random.integers(3)]:
                events.append((number, index, onset_s, offset_s))
                values[(onset_s < boundaries_s[1:]) & (boundaries_s[:-1] < offset_s), index] += 0.5
        scores.append(Scored(values, FrameGrid(boundaries_s)))
    events.extend((0, index, 0.0, 0.05) for index in range(n_classes))
    return Data(scores, table(events).merged(), np.array(lengths_s))


# A second implementation: every threshold on its own, one detection after the other.


def runs(curve, threshold):
    """First frame and the frame after the last one of every detection."""
    detected = [score >= threshold for score in curve]
    frame = 0
    for is_on, group in itertools.groupby(detected):
        length = len(list(group))
        if is_on:
            yield frame, frame + length
        frame += length


def overlap_s(span, events):
    return sum(max(0.0, min(span[1], offset) - max(span[0], onset)) for onset, offset in events)


def enough(time_s, needed_s):
    return round(time_s * 1e6) >= round(needed_s * 1e6)


def rates_at(given, index, threshold, parameters):
    """Effective false positive rate and true positive rate of a class."""
    columns = zip(*(column.tolist() for column in dataclasses.astuple(given.reference)), strict=True)
    truth = list(columns)
    active_s = {c: sum(e[3] - e[2] for e in truth if e[1] == c) for c in {e[1] for e in truth}}
    others = [c for c in active_s if c != index]
    n_false, n_crossed, n_true = 0, dict.fromkeys(others, 0), 0
    for number, (values, grid) in enumerate(given.scores):
        events = {c: [e[2:] for e in truth if e[:2] == (number, c)] for c in active_s}
        relevant = []
        for first, stop in runs(values[:, index], threshold):
            span = (grid.boundaries_s[first], grid.boundaries_s[stop])
            length_s = span[1] - span[0]
            if enough(overlap_s(span, events[index]), parameters.dtc * length_s):
                relevant.append(span)
                continue
            n_false += 1
            for c in others:
                crosses = parameters.cttc and enough(overlap_s(span, events[c]), parameters.cttc * length_s)
                n_crossed[c] += bool(crosses)
        n_true += sum(
            enough(sum(overlap_s(span, [event]) for span in relevant), parameters.gtc * (event[1] - event[0]))
            for event in events[index]
        )
    hours = given.durations_s.sum() / 3600
    crossed = np.mean([n_crossed[c] / (active_s[c] / 3600) for c in others])
    n_events = sum(e[1] == index for e in truth)
    return n_false / hours + parameters.alpha_ct * crossed, n_true / n_events


def brute_force(given, parameters):
    n_classes = given.scores[0].probabilities.shape[1]
    points = []
    for index in range(n_classes):
        levels = np.unique(np.concatenate([values[:, index] for values, _ in given.scores]))
        points.append([(0.0, 0.0)] + [rates_at(given, index, level, parameters) for level in levels])
    rates = sorted({rate for row in points for rate, _ in row if rate <= parameters.max_false_rate})
    area = 0.0
    for rate, following in zip(rates, [*rates[1:], parameters.max_false_rate], strict=True):
        best = [max(true for other, true in row if other <= rate) for row in points]
        area += max(0.0, np.mean(best) - parameters.alpha_st * np.std(best)) * (following - rate)
    return area / parameters.max_false_rate


# The limits are far beyond 100 per hour, as the recordings are so short.
FAR = [
    dataclasses.replace(PSDS1, max_false_rate=3000, alpha_st=0.5),
    dataclasses.replace(PSDS2, max_false_rate=5000),
    PsdsParameters(0.5, 0.5, 0.3, alpha_ct=1.0, alpha_st=0, max_false_rate=1e6),
]


@pytest.mark.parametrize("parameters", FAR)
@pytest.mark.parametrize(("seed", "decimals"), [(0, 1), (1, 2), (2, 8)])
def test_equal_to_trying_every_threshold(seed, decimals, parameters):
    given = small(seed, decimals=decimals)
    value = psds(*given, parameters).value
    assert value > 0.01
    assert value == pytest.approx(brute_force(given, parameters), abs=1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", CASES)
def test_equal_to_sed_scores_eval(name, setting):
    expected = GOLDEN["sed_scores_eval"][name][setting]
    measured = psds(*data(CASES[name]()), SETTINGS[setting])
    assert expected["value"] > 0.01
    assert measured.value == pytest.approx(expected["value"], abs=1e-12)
    for label, area in expected["classes"].items():
        assert measured.class_values[int(label.removeprefix("c"))] == pytest.approx(area, abs=1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_best_of_several_post_processings_as_in_sed_scores_eval(setting):
    expected = GOLDEN["sed_scores_eval_pi"][setting]
    case = CASES["ten_classes"]()
    given = data(case)
    sources = [given.scores, data(case.smoothed(3)).scores, data(case.smoothed(7)).scores]
    best = post_processing_independent_psds(sources, *given[1:], SETTINGS[setting])
    assert best.value == pytest.approx(expected["value"], abs=1e-12)
    each = [psds(scores, *given[1:], SETTINGS[setting]) for scores in sources]
    assert np.all(best.class_values >= np.max([one.class_values for one in each], axis=0) - 1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
def test_psds_eval_where_its_thresholds_are_all_there_are(setting):
    measured = psds(*data(CASES["eleven_scores"]()), SETTINGS[setting]).value
    assert measured == pytest.approx(GOLDEN["psds_eval"]["eleven_scores"][setting], abs=1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", ["ten_classes", "ties"])
def test_psds_eval_elsewhere_reads_a_little_less(name, setting):
    """It samples thresholds, and misses shares of time that are exactly enough by a rounding error."""
    sampled = GOLDEN["psds_eval"][name][setting]
    assert 0 < psds(*data(CASES[name]()), SETTINGS[setting]).value - sampled < 0.03


def test_a_perfect_detector_has_everything():
    grid = FrameGrid.regular(10, 0.5, 5.0)
    scores = np.zeros((10, 2))
    scores[2:4, 0], scores[6:9, 1] = 0.9, 0.4
    for parameters in SETTINGS.values():
        measured = psds(
            [Scored(scores, grid)], table([(0, 0, 1, 2), (0, 1, 3, 4.5)]), np.array([5.0]), parameters
        )
        assert measured.value == pytest.approx(1.0)
        np.testing.assert_allclose(measured.class_values, 1.0)


def test_thresholds_of_a_curve_are_scores():
    grid = FrameGrid.regular(4, 1.0, 4.0)
    scores = np.array([[0.25], [0.5], [0.125], [0.75]], np.float32)
    parameters = dataclasses.replace(PSDS1, max_false_rate=2000.0)
    roc = psds([Scored(scores, grid)], table([(0, 0, 0, 2)]), np.array([4.0]), parameters).rocs[0]
    assert roc is not None
    np.testing.assert_allclose(roc.false_rates, [0, 900])
    np.testing.assert_array_equal(roc.true_rates, [0, 1])
    np.testing.assert_array_equal(roc.scores, [math.inf, 0.25])


def test_an_event_that_is_lost_again_stays_on_the_curve():
    """A detection that grows too long is relevant no more; the curve keeps the better threshold."""
    grid = FrameGrid.regular(8, 1.0, 8.0)
    scores = np.array([[0.1, 0.2, 0.9, 0.8, 0.2, 0.2, 0.2, 0.1]]).T
    measured = psds([Scored(scores, grid)], table([(0, 0, 2, 4)]), np.array([8.0]))
    assert measured.value == 1.0


@pytest.mark.parametrize("parameters", FAR)
def test_only_the_order_of_the_scores_of_a_class_counts(parameters):
    given = small(7)
    bent = [
        Scored(np.stack([values[:, 0] ** 3 - 5, values[:, 1], np.exp(values[:, 2])], axis=1), grid)
        for values, grid in given.scores
    ]
    before = psds(*given, parameters)
    after = psds(bent, *given[1:], parameters)
    for one, other in zip(before.rocs, after.rocs, strict=True):
        np.testing.assert_array_equal(one.false_rates, other.false_rates)
        np.testing.assert_array_equal(one.true_rates, other.true_rates)
    assert after.value == before.value


@pytest.mark.parametrize("parameters", FAR)
def test_the_order_of_recordings_and_classes_does_not_count(parameters):
    given = small(8)
    random = np.random.default_rng(0)
    places, columns = random.permutation(4), random.permutation(3)
    truth = given.reference
    moved = table(
        zip(
            np.argsort(places)[truth.recordings],
            np.argsort(columns)[truth.classes],
            truth.onsets_s,
            truth.offsets_s,
            strict=True,
        )
    )
    scores = [Scored(given.scores[i].probabilities[:, columns], given.scores[i].grid) for i in places]
    before = psds(*given, parameters)
    after = psds(scores, moved, given.durations_s[places], parameters)
    assert after.value == pytest.approx(before.value, abs=1e-12)
    np.testing.assert_allclose(after.class_values, before.class_values[columns], atol=1e-12)


@pytest.mark.parametrize("parameters", FAR)
def test_frames_may_be_cut_in_pieces(parameters):
    given = small(9)
    fine = []
    for values, grid in given.scores:
        times_s = np.unique(np.append(grid.boundaries_s, np.arange(0, grid.boundaries_s[-1], 0.07)))
        frames = [grid.frame_at(middle_s) for middle_s in (times_s[1:] + times_s[:-1]) / 2]
        fine.append(Scored(values[frames], FrameGrid(times_s)))
    after = psds(fine, *given[1:], parameters)
    assert after.value == pytest.approx(psds(*given, parameters).value, abs=1e-12)


def test_classes_without_true_events_do_not_count():
    given = small(10, n_classes=4)
    truth = given.reference
    given = given._replace(reference=truth.where(truth.classes != 1))
    measured = psds(*given, FAR[1])
    assert np.isnan(measured.class_values[1])
    assert measured.rocs[1] is None
    kept = [0, 2, 3]
    scores = [Scored(values[:, kept], grid) for values, grid in given.scores]
    fewer = given.reference
    fewer = EventTable(
        fewer.recordings, np.searchsorted(kept, fewer.classes), fewer.onsets_s, fewer.offsets_s
    )
    assert psds(scores, fewer, given.durations_s, FAR[1]).value == measured.value


def test_memory_may_be_so_small_that_each_class_is_heard_alone():
    given = data(CASES["ten_classes"]())
    whole = psds(*given, PSDS2)
    for max_changes in (1, 3000):
        parts = psds(*given, PSDS2, max_changes=max_changes)
        np.testing.assert_array_equal(parts.class_values, whole.class_values)
        assert parts.value == whole.value


def test_recordings_are_asked_for_one_at_a_time():
    given = data(CASES["uneven"]())

    asked = []

    class Reader:
        def __len__(self):
            return len(given.scores)

        def __getitem__(self, index):
            asked.append(index)
            return given.scores[index]

    assert psds(Reader(), *given[1:]).value == psds(*given).value
    assert asked == [*range(6), *range(6)]


def test_scores_of_minus_infinity_are_never_detected():
    grid = FrameGrid.regular(4, 1.0, 4.0)
    scores = np.array([[-np.inf], [0.5], [-np.inf], [-np.inf]])
    measured = psds([Scored(scores, grid)], table([(0, 0, 0, 4)]), np.array([4.0]))
    assert measured.value == 0
    assert len(measured.rocs[0].scores) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"durations_s": np.ones(3)}, "expected 4 durations, as there are scores, got 3"),
        ({"durations_s": np.zeros(4)}, "durations must be positive"),
        ({"reference": small(0).reference.where(np.array([], int))}, "there are no true events"),
        ({"reference": table([(4, 0, 0, 1)])}, "recording 4 has true events, but scores are of 4"),
        ({"reference": table([(0, 3, 0, 1)])}, "class 3 has true events, but scores are of 3"),
        ({"reference": table([(0, 0, 1, 1)])}, "does not end after it begins"),
        ({"reference": table([(0, 0, 0, 2), (0, 0, 1, 3)])}, "1 true events overlap an earlier one"),
    ],
)
def test_what_does_not_fit_is_refused(change, problem):
    with pytest.raises(DataError, match=problem):
        psds(*small(0)._replace(**change))


def test_bad_scores_are_refused():
    given = small(0)
    grid = given.scores[3].grid
    with pytest.raises(DataError, match="recording 3 has 2 classes, the first has 3"):
        psds([*given.scores[:3], Scored(np.zeros((14, 2)), grid)], *given[1:])
    with pytest.raises(DataError, match="recording 3 has scores that are not numbers"):
        psds([*given.scores[:3], Scored(np.full((14, 3), np.nan), grid)], *given[1:])
    with pytest.raises(DataError, match="no scores to compare"):
        post_processing_independent_psds([], *given[1:])
    fewer = [Scored(values[:, :2], grid) for values, grid in given.scores]
    truth = given.reference.where(given.reference.classes < 2)
    with pytest.raises(DataError, match="differ in their number of classes"):
        post_processing_independent_psds([given.scores, fewer], truth, given.durations_s)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"dtc": 0.0}, "dtc must be above 0 and at most 1, got 0.0"),
        ({"gtc": 1.5}, "gtc must be above 0 and at most 1, got 1.5"),
        ({"cttc": -0.1}, "cttc must be above 0"),
        ({"alpha_st": -1.0}, "alpha_st must be finite and not negative"),
        ({"alpha_ct": 0.0}, "cttc 0.3 does not fit alpha_ct 0.0"),
        ({"max_false_rate": 0.0}, "max_false_rate must be positive and finite"),
    ],
)
def test_parameters_out_of_range_are_refused(change, problem):
    with pytest.raises(ConfigError, match=problem):
        dataclasses.replace(PSDS2, **change)
