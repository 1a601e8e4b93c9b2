from __future__ import annotations

import numpy as np
import pytest

from htsat.evaluation import strips
from htsat.evaluation.event_curves import EventCurves
from htsat.evaluation.strips import Layout, Strip, class_blocks
from htsat.scores import FrameGrid

GRIDS = [FrameGrid.regular(n, 0.1, n * 0.1) for n in (5, 3, 1, 40)] + [FrameGrid(np.array([0, 0.03]))]


def test_recordings_are_found_again():
    layout = Layout.of(GRIDS, longest_s=0.5)
    for number, grid in enumerate(GRIDS):
        frames = slice(layout.starts[number], layout.stops[number])
        assert (layout.recordings[frames] == number).all()
        times_s = layout.boundaries_s[frames.start : frames.stop + 1]
        np.testing.assert_array_equal(times_s, grid.boundaries_s)
    frames, begins, ends = layout.inside
    np.testing.assert_array_equal(begins, layout.starts[layout.recordings[frames]])
    np.testing.assert_array_equal(ends, layout.stops[layout.recordings[frames]])
    assert len(frames) == sum(grid.n_frames for grid in GRIDS)


@pytest.mark.parametrize(("longest_s", "n_sides", "room"), [(0.0, 1, 1), (0.5, 1, 6), (0.5, 2, 12)])
def test_there_is_room_between_recordings_and_at_the_ends(longest_s, n_sides, room):
    layout = Layout.of(GRIDS, longest_s, n_sides)
    starts, stops = np.sort(layout.starts), np.sort(layout.stops)
    gaps = [starts[0], *(starts[1:] - stops[:-1]), layout.n_frames - stops[-1]]
    assert min(gaps) >= room
    assert max(gaps) < room + 2 * n_sides + 1


def test_a_rule_needs_no_more_room_than_the_longest_recording():
    assert Layout.of(GRIDS, longest_s=1e6).n_frames < 500


def test_parts_have_frames_of_one_length():
    layout = Layout.of(GRIDS)
    assert [(part.frame_s, part.n_longest) for part in layout.parts] == [(0.03, 1), (0.1, 40)]
    for number, grid in enumerate(GRIDS):
        [part] = [part for part in layout.parts if part.frame_s == grid.durations_s[0]]
        assert part.frames.start < layout.starts[number] < layout.stops[number] < part.frames.stop


def test_the_loudest_of_every_recording():
    rng = np.random.default_rng(0)
    curves = [EventCurves(rng.random((grid.n_frames, 2), np.float32), grid) for grid in GRIDS]
    expected = [curve.probabilities.max(axis=0) for curve in curves]
    np.testing.assert_array_equal(Strip.of(curves).loudest(), expected)


def test_blocks_hold_every_class_once(monkeypatch):
    monkeypatch.setattr(strips, "FRAMES_AT_ONCE", 100)
    assert [block.tolist() for block in class_blocks(5, 40)] == [[0, 1], [2, 3], [4]]
    assert [block.tolist() for block in class_blocks(2, 1000)] == [[0], [1]]
