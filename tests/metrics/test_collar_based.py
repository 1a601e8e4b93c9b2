import itertools

import numpy as np
import pytest

from htsat.errors import ConfigError
from htsat.metrics.collar_based import Collar, count_near_events, match

DCASE = Collar()
WIDE = Collar(collar_s=0.5, offset_share=0.5)


def near(event, detection, collar):
    reach_s = max(collar.collar_s, collar.offset_share * (event[3] - event[2]))
    return (
        event[:2] == detection[:2]
        and abs(event[2] - detection[2]) <= collar.collar_s
        and abs(event[3] - detection[3]) <= reach_s
    )


def most_pairs(possible, n_firsts, n_seconds):
    """The best of all ways to give every first a second of its own or none."""
    options = [*range(n_seconds), *[-1] * n_firsts]
    return max(
        sum((i, j) in possible for i, j in enumerate(chosen))
        for chosen in itertools.permutations(options, n_firsts)
    )


@pytest.mark.parametrize("seed", range(60))
def test_matching_is_as_large_as_any(seed):
    rng = np.random.default_rng(seed)
    n_firsts, n_seconds = rng.integers(1, 5, size=2).tolist()
    possible = np.argwhere(rng.random((n_firsts, n_seconds)) < rng.random())
    found = match(possible[:, 0], possible[:, 1])
    assert len(found) == most_pairs(set(map(tuple, possible.tolist())), n_firsts, n_seconds)
    assert len(set(found.tolist())) == len(found)


def test_matching_changes_as_many_as_it_takes():
    # Each may take its own second or the next one's; the last comer wants the first's: all must move on.
    n = 2_000
    firsts = np.concatenate([np.arange(n - 1), np.arange(n - 1), [n - 1]])
    seconds = np.concatenate([np.arange(n - 1), np.arange(1, n), [0]])
    assert len(match(firsts, seconds)) == n


@pytest.mark.parametrize("seed", range(20))
def test_counts_equal_an_assignment_of_all_pairs(table, draw_rows, seed):
    optimize = pytest.importorskip("scipy.optimize")
    reference, estimated = draw_rows(seed), draw_rows(seed + 100)
    counted = count_near_events(table(reference), table(estimated), 3, WIDE)
    pairs = np.array([[near(a, b, WIDE) for b in estimated] for a in reference], float)
    if pairs.size:
        chosen = optimize.linear_sum_assignment(pairs, maximize=True)
        assert counted.true_positives.sum() == pairs[chosen].sum()
    assert (counted.true_positives + counted.false_negatives).sum() == len(reference)
    assert (counted.true_positives + counted.false_positives).sum() == len(estimated)


def n_true(table, events, detections, collar=DCASE):
    return int(count_near_events(table(events), table(detections), 3, collar).true_positives.sum())


def test_both_ends_must_be_near(table):
    event = [(0, 0, 1.0, 2.0)]
    assert n_true(table, event, [(0, 0, 1.1875, 2.1875)]) == 1
    assert n_true(table, event, [(0, 0, 1.25, 2.0)]) == 0
    assert n_true(table, event, [(0, 0, 1.0, 2.25)]) == 0


def test_long_events_allow_more_at_their_end_only(table):
    assert n_true(table, [(0, 0, 1.0, 6.0)], [(0, 0, 1.0, 7.0)]) == 1
    assert n_true(table, [(0, 0, 1.0, 6.0)], [(0, 0, 1.0, 7.0625)]) == 0
    assert n_true(table, [(0, 0, 1.0, 6.0)], [(0, 0, 1.0, 7.0625)], Collar(0.2, 0.25)) == 1
    # The length of the true event counts, not that of the detection.
    assert n_true(table, [(0, 0, 1.0, 2.0)], [(0, 0, 1.0, 2.25)]) == 0


def test_a_detection_finds_one_event_only(table):
    events = [(0, 0, 1.0, 2.0), (0, 0, 1.125, 2.125)]
    assert n_true(table, events, [(0, 0, 1.0, 2.0)]) == 1
    assert n_true(table, events, [(0, 0, 1.0, 2.0), (0, 0, 1.0625, 2.0)]) == 2


def test_a_greedy_choice_is_not_good_enough(table):
    events = [(0, 0, 1.0, 2.0), (0, 0, 1.25, 2.0)]
    # The first detection is near both events, the second only the first.
    detections = [(0, 0, 1.125, 2.0), (0, 0, 0.875, 2.0)]
    assert n_true(table, events, detections) == 2


def test_an_event_without_length_is_an_event(table):
    assert n_true(table, [(0, 0, 1.0, 1.0)], [(0, 0, 1.125, 1.125)]) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"collar_s": -1.0}, "the collar must be seconds, at least 0, got -1"),
        ({"offset_share": 2.0}, "the offset's share must be between 0 and 1, got 2"),
    ],
)
def test_what_is_no_collar_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        Collar(**wrong)
