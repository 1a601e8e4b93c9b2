import pytest

from htsat.metrics import pairing
from htsat.metrics.pairing import of_one_recording, overlapping, shared_s, with_near_onsets


def pairs_of(pairs):
    return list(zip(pairs.firsts.tolist(), pairs.seconds.tolist(), strict=True))


def rows_of(events):
    return list(zip(events.recordings, events.classes, events.onsets_s, events.offsets_s, strict=True))


@pytest.mark.parametrize("seed", range(10))
def test_pairs_equal_a_look_at_every_pair(table, draw_rows, seed):
    first, second = table(draw_rows(seed)), table(draw_rows(seed + 100)).merged()
    second = second.where(second.durations_s > 0)
    every = [
        (i, j, a, b)
        for i, a in enumerate(rows_of(first))
        for j, b in enumerate(rows_of(second))
        if a[:2] == b[:2]
    ]
    meeting = [(i, j) for i, j, a, b in every if a[2] < b[3] and b[2] < a[3]]
    touching_instants = {(i, j) for i, j, a, b in every if a[2] == a[3] and b[2] < a[2] < b[3]}
    assert set(pairs_of(overlapping(first, second))) == set(meeting) | touching_instants
    near = [(i, j) for i, j, a, b in every if abs(a[2] - b[2]) <= 0.25]
    assert sorted(pairs_of(with_near_onsets(first, second, 0.25))) == near


def test_all_pairs_of_a_recording_in_parts(table, draw_rows, monkeypatch):
    first, second = table(draw_rows(3)), table(draw_rows(4))
    expected = [
        (i, j) for i, a in enumerate(first.recordings) for j, b in enumerate(second.recordings) if a == b
    ]
    monkeypatch.setattr(pairing, "_PAIRS_AT_ONCE", 7)
    parts = list(of_one_recording(first, second))
    assert len(parts) > 3
    assert [pair for part in parts for pair in pairs_of(part)] == expected
    # An event is in one part only.
    assert sum(len(set(part.firsts)) for part in parts) == len({i for i, _ in expected})


def test_the_time_that_two_events_share(table):
    first, second = table([(0, 0, 1.0, 3.0)]), table([(0, 0, 2.0, 5.0)])
    assert shared_s(first, second, overlapping(first, second)).tolist() == [1.0]
