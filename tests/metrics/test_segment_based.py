import numpy as np
import pytest

from htsat.errors import ConfigError
from htsat.metrics.segment_based import count_segments


def active(rows, segment_s):
    return {
        (recording, index, segment)
        for recording, index, onset_s, offset_s in rows
        for segment in range(200)
        if onset_s < (segment + 1) * segment_s and offset_s > segment * segment_s
    }


@pytest.mark.parametrize("segment_s", [1.0, 0.25, 0.375])
@pytest.mark.parametrize("seed", range(8))
def test_counts_equal_sets_of_segments(table, draw_rows, seed, segment_s):
    reference, estimated = draw_rows(seed), draw_rows(seed + 100)
    counted = count_segments(table(reference), table(estimated), 3, segment_s)
    true, heard = active(reference, segment_s), active(estimated, segment_s)
    for numbers, cells in (
        (counted.true_positives, true & heard),
        (counted.false_positives, heard - true),
        (counted.false_negatives, true - heard),
    ):
        assert numbers.tolist() == [sum(cell[1] == k for cell in cells) for k in range(3)]


def test_an_event_is_active_wherever_it_reaches(table):
    counted = count_segments(table([(0, 0, 0.9, 2.1)]), table([]), 3, 1.0)
    assert counted.false_negatives[0] == 3
    counted = count_segments(table([(0, 0, 1.0, 2.0)]), table([]), 3, 1.0)
    assert counted.false_negatives[0] == 1


def test_merging_does_not_matter(table, draw_rows):
    reference, estimated = table(draw_rows(1)), table(draw_rows(2))
    merged = count_segments(reference.merged(), estimated.merged(), 3, 1.0)
    apart = count_segments(reference, estimated, 3, 1.0)
    np.testing.assert_array_equal(merged.f_scores(), apart.f_scores())


@pytest.mark.parametrize("segment_s", [0.0, -1.0, float("inf"), float("nan")])
def test_segments_need_a_length(table, segment_s):
    with pytest.raises(ConfigError, match="segments must last more than 0 seconds"):
        count_segments(table([]), table([]), 3, segment_s)
