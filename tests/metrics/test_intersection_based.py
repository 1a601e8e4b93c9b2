import numpy as np
import pytest

from htsat.errors import ConfigError
from htsat.metrics.intersection_based import Tolerances, count_intersections

PAPER = Tolerances()


def covered(event, others):
    """Share of an event that lies in others of its class, on a grid finer than all times."""
    recording, index, onset_s, offset_s = event
    instants = onset_s + (np.arange(round((offset_s - onset_s) * 32)) + 0.5) / 32
    same = [(on, off) for r, k, on, off in others if (r, k) == (recording, index)]
    return np.mean([any(on < instant < off for on, off in same) for instant in instants])


def naive(reference, estimated, tolerances):
    """True and false positives and false negatives, and cross triggers, of every class."""
    events, detections = ([row for row in rows if row[3] > row[2]] for rows in (reference, estimated))
    right = [row for row in detections if covered(row, events) >= tolerances.dtc]
    wrong = [row for row in detections if row not in right]
    found = [row for row in events if covered(row, right) >= tolerances.gtc]
    counts = [
        [sum(row[1] == k for row in rows) for k in range(3)]
        for rows in (found, wrong, [row for row in events if row not in found])
    ]
    triggers = np.zeros((3, 3), int)
    for row in wrong:
        for k in {0, 1, 2} - {row[1]}:
            triggers[row[1], k] += covered((row[0], k, *row[2:]), events) >= tolerances.cttc
    return counts, triggers


@pytest.mark.parametrize("seed", range(25))
def test_counts_equal_a_look_at_every_instant(table, draw_rows, seed):
    reference, estimated = draw_rows(seed), draw_rows(seed + 100)
    tolerances = Tolerances(*np.random.default_rng(seed).integers(1, 9, size=3) / 8)
    counted, triggers = count_intersections(table(reference), table(estimated), 3, tolerances)
    expected, expected_triggers = naive(reference, estimated, tolerances)
    numbers = (counted.true_positives, counted.false_positives, counted.false_negatives)
    np.testing.assert_array_equal(numbers, expected)
    np.testing.assert_array_equal(triggers, expected_triggers)


def count(table, reference, estimated, tolerances=PAPER):
    counted, _ = count_intersections(table(reference), table(estimated), 3, tolerances)
    return [int(n[0]) for n in (counted.true_positives, counted.false_positives, counted.false_negatives)]


def test_one_long_detection_finds_several_events(table):
    events = [(0, 0, 0.0, 2.0), (0, 0, 3.0, 5.0)]
    assert count(table, events, [(0, 0, 0.0, 5.0)]) == [2, 0, 0]


def test_a_detection_that_helps_no_event_is_neither_true_nor_false(table):
    assert count(table, [(0, 0, 0.0, 8.0)], [(0, 0, 1.0, 2.0)]) == [0, 0, 1]


def test_several_detections_find_one_event_together(table):
    parts = [(0, 0, 0.0, 1.0), (0, 0, 2.0, 3.0)]
    assert count(table, [(0, 0, 0.0, 4.0)], parts) == [1, 0, 0]
    assert count(table, [(0, 0, 0.0, 4.0)], parts[:1]) == [0, 0, 1]


def test_shares_that_are_just_reached_count(table):
    assert count(table, [(0, 0, 0.0, 2.0)], [(0, 0, 1.0, 3.0)]) == [1, 0, 0]
    assert count(table, [(0, 0, 0.0, 2.0)], [(0, 0, 1.0, 3.0625)]) == [0, 1, 1]


def test_only_the_class_and_the_recording_match(table):
    assert count(table, [(0, 0, 0.0, 2.0)], [(1, 0, 0.0, 2.0)]) == [0, 1, 1]
    assert count(table, [(0, 0, 0.0, 2.0)], [(0, 1, 0.0, 2.0)]) == [0, 0, 1]


def test_events_without_length_are_left_out(table):
    assert count(table, [(0, 0, 1.0, 1.0)], [(0, 0, 1.0, 1.0)]) == [0, 0, 0]


def test_cross_triggers_do_not_change_f_scores(table, draw_rows):
    pair = table(draw_rows(1)), table(draw_rows(2))
    all_triggers, no_triggers = (count_intersections(*pair, 3, Tolerances(cttc=cttc)) for cttc in (0.01, 1.0))
    np.testing.assert_array_equal(all_triggers.counts.f_scores(), no_triggers.counts.f_scores())
    assert all_triggers.cross_triggers.sum() > no_triggers.cross_triggers.sum()


@pytest.mark.parametrize("wrong", [{"dtc": 0.0}, {"gtc": 1.5}, {"cttc": float("nan")}])
def test_shares_outside_their_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be above 0 and at most 1, got"):
        Tolerances(**wrong)
