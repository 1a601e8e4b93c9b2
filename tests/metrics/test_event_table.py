import numpy as np
import pytest

from htsat.errors import DataError
from htsat.labels import LabelSet
from htsat.metrics.event_table import EventTable
from htsat.scores import SoundEvent


def rows_of(table):
    columns = (table.recordings, table.classes, table.onsets_s, table.offsets_s)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_events_are_sorted_whatever_their_order(table, draw_rows):
    rows = draw_rows(0)
    assert rows_of(table(rows)) == rows_of(table(rows[::-1])) == sorted(rows)


def test_recordings_that_are_not_listed_are_left_out():
    events = {"x": [SoundEvent("a", 0.0, 1.0, 1.0)], "y": [SoundEvent("a", 2.0, 3.0, 1.0)]}
    assert rows_of(EventTable.of(events, ["z", "y"], LabelSet(("a",)))) == [(1, 0, 2.0, 3.0)]


def test_unknown_classes_are_refused():
    with pytest.raises(DataError, match="unknown class 'Dgo'; did you mean 'Dog'"):
        EventTable.of({"x": [SoundEvent("Dgo", 0.0, 1.0, 1.0)]}, ["x"], LabelSet(("Dog",)))


def naive_merge(rows):
    merged = []
    for recording, index, onset_s, offset_s in sorted(rows):
        if merged and merged[-1][:2] == [recording, index] and onset_s < merged[-1][3]:
            merged[-1][3] = max(merged[-1][3], offset_s)
        else:
            merged.append([recording, index, onset_s, offset_s])
    return [tuple(row) for row in merged]


@pytest.mark.parametrize("seed", range(20))
def test_merging_equals_a_loop(table, draw_rows, seed):
    rows = draw_rows(seed)
    merged = table(rows).merged()
    assert rows_of(merged) == naive_merge(rows)
    assert table(rows).n_overlaps() == len(rows) - len(merged)
    assert merged.n_overlaps() == 0


def test_events_that_only_touch_stay_apart(table):
    touching = table([(0, 0, 0.0, 1.0), (0, 0, 1.0, 2.0), (0, 1, 0.5, 1.5), (1, 0, 0.5, 1.5)])
    assert touching.n_overlaps() == 0
    assert len(touching.merged()) == 4


def test_an_event_inside_another_does_not_end_it(table):
    inside = table([(0, 0, 0.0, 5.0), (0, 0, 1.0, 2.0), (0, 0, 4.0, 6.0)])
    assert rows_of(inside.merged()) == [(0, 0, 0.0, 6.0)]
    np.testing.assert_array_equal(inside.overlaps_earlier(), [False, True, True])


def test_an_empty_table(table):
    empty = table([])
    assert (len(empty), len(empty.merged()), empty.n_overlaps()) == (0, 0, 0)
