from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from htsat.errors import ConfigError
from htsat.labels import LabelSet
from htsat.recognition.events import EventFinder, find_events
from htsat.rules import BoxRules, EventRules
from htsat.scores import FloatArray, FrameGrid, FrameScores, SoundEvent, in_order

FRAME_S = 0.3125
RULES = (
    EventRules((0.5,) * 5),
    EventRules((0.2, 0.4, 0.5, 0.7, 0.95), median_filter_s=1.0),
    EventRules((0.5,) * 5, max_gap_s=0.7, min_duration_s=0.9),
    EventRules((0.5,) * 5, median_filter_s=2.3, clip_threshold=0.5),
    EventRules((0.3,) * 5, median_filter_s=1.6, max_gap_s=1.3, min_duration_s=1.0, clip_threshold=0.4),
    EventRules((0.5,) * 5, median_filter_s=1000.0, max_gap_s=1000.0),
    EventRules(
        (0.3, 0.4, 0.5, 0.5, 0.5),
        median_filter_s=(0.0, 1.0, 1.6, 5.0, 2.3),
        min_duration_s=(1.0, 0.0, 0.7, 0.0, 2.0),
        max_gap_s=(0.4, 1.3, 0.0, 5.0, 0.7),
        clip_threshold=(0.4, 0.0, 0.5, 0.0, 0.1),
    ),
)


def logits(probabilities: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.log(probabilities / (1 - probabilities)).astype(np.float32)


def scores_of(frames: FloatArray, clips: FloatArray, first: int = 0) -> FrameScores:
    """FrameScores with these probabilities `(n, K)`; the first frame begins at `first` frames."""
    boundaries_s = (first + np.arange(len(frames) + 1)) * FRAME_S
    labels = LabelSet(tuple(f"c{index}" for index in range(frames.shape[1])))
    return FrameScores(logits(frames), logits(clips), FrameGrid(boundaries_s), labels, "multi_label")


def one_class(*probabilities: float) -> FrameScores:
    frames = np.array(probabilities)[:, None]
    return scores_of(frames, np.ones_like(frames) * 0.5)


def random_scores(n_frames: int) -> tuple[FloatArray, FloatArray]:
    """Probabilities that wander, of frames and clips, `(n, 5)`."""
    steps = np.random.default_rng(n_frames).standard_normal((2, n_frames + 3, 5))
    wandering = (steps[:, 3:] + steps[:, 2:-1] + steps[:, 1:-2] + steps[:, :-3]) / 2
    frames, clips = 1 / (1 + np.exp(-wandering))
    return frames, clips


def plain_events(scores: FrameScores, rules: EventRules) -> list[SoundEvent]:
    """The same rules, class by class and frame by frame."""
    clip_probabilities = 1 / (1 + np.exp(-scores.clip_logits))
    events = []
    for k, label in enumerate(scores.labels):
        rule = {name: rules.per_class(name)[k] for name in ("clip_threshold", "max_gap_s", "min_duration_s")}
        reach = rules.median_filter_frames(FRAME_S)[k] // 2
        present = scores.probabilities[:, k]
        runs: list[list[int]] = []
        for i in range(len(present)):
            window = sorted(present[max(i - reach, 0) : i + reach + 1])
            is_active = window[(len(window) - 1) // 2] > np.float32(rules.thresholds[k])
            if is_active and clip_probabilities[i, k] >= np.float32(rule["clip_threshold"]):
                runs.append([i, i + 1, present[i]])
        merged: list[list[int]] = []
        for run in runs:
            if merged and (run[0] - merged[-1][1]) * FRAME_S <= rule["max_gap_s"]:
                merged[-1][1:] = run[1], max(merged[-1][2], run[2])
            else:
                merged.append(run)
        times_s = scores.grid.boundaries_s
        for start, stop, loudest in merged:
            if times_s[stop] - times_s[start] >= rule["min_duration_s"]:
                events.append(SoundEvent(label, times_s[start], times_s[stop], loudest))
    return sorted(events, key=lambda event: (event.onset_s, event.label))


def blockwise(frames: FloatArray, clips: FloatArray, rules: EventRules, cuts: list[int]) -> list[SoundEvent]:
    edges = [0, *cuts, len(frames)]
    finder = EventFinder(scores_of(frames, clips).labels, rules, FRAME_S)
    events: list[SoundEvent] = []
    for start, stop in pairwise(edges):
        events += finder.push(scores_of(frames[start:stop], clips[start:stop], first=start))
    events += finder.finish()
    return in_order(events, scores_of(frames, clips).labels)


class TestAgainstThePlainWay:
    @pytest.mark.parametrize("rules", RULES)
    @pytest.mark.parametrize("n_frames", [1, 2, 5, 32, 400])
    def test_all_frames_at_once(self, rules, n_frames):
        scores = scores_of(*random_scores(n_frames))
        assert find_events(scores, rules) == plain_events(scores, rules)

    @pytest.mark.parametrize("rules", RULES)
    def test_the_blocks_do_not_matter(self, rules):
        frames, clips = random_scores(150)
        whole = find_events(scores_of(frames, clips), rules)
        rng = np.random.default_rng(1)
        for n_cuts in (1, 3, 20, 60):
            cuts = sorted(rng.choice(np.arange(1, 150), n_cuts, replace=False).tolist())
            assert blockwise(frames, clips, rules, cuts) == whole
        assert blockwise(frames, clips, rules, list(range(1, 150))) == whole


class TestRules:
    def test_an_event_lasts_from_its_first_to_its_last_active_frame(self):
        [event] = find_events(one_class(0.1, 0.9, 0.75, 0.1), EventRules((0.5,)))
        assert event[:3] == ("c0", 1 * FRAME_S, 3 * FRAME_S)
        assert event.probability == pytest.approx(0.9)

    def test_a_frame_at_the_threshold_is_not_active(self):
        assert find_events(one_class(0.5, 0.5), EventRules((0.5,))) == []

    def test_the_last_event_ends_with_the_recording(self):
        whole = one_class(0.9, 0.9, 0.9, 0.9)
        scores = replace(whole, grid=FrameGrid.regular(4, FRAME_S, duration_s=1.1))
        [event] = find_events(scores, EventRules((0.5,)))
        assert (event.onset_s, event.offset_s) == (0, 1.1)

    def test_median_filter_removes_clicks_and_fills_dropouts(self):
        scores = one_class(0.1, 0.1, 0.9, 0.1, 0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1)
        [event] = find_events(scores, EventRules((0.5,), median_filter_s=3 * FRAME_S))
        assert (event.onset_s, event.offset_s) == (5 * FRAME_S, 10 * FRAME_S)

    def test_gaps_are_closed_before_short_events_are_dropped(self):
        scores = one_class(0.9, 0.1, 0.9, 0.1, 0.1, 0.9)
        rules = EventRules((0.5,), max_gap_s=FRAME_S, min_duration_s=3 * FRAME_S)
        assert [event[1:3] for event in find_events(scores, rules)] == [(0, 3 * FRAME_S)]

    def test_a_gap_or_duration_of_exactly_the_limit_counts(self):
        frames = np.array([[0.9], [0.1], [0.9]])
        grid = FrameGrid(np.array([0.1, 0.3, 0.6, 0.8]))  # 0.6 - 0.3 < 0.3 and 0.8 - 0.1 > 0.7, by rounding
        scores = FrameScores(logits(frames), logits(frames), grid, LabelSet(("a",)), "multi_label")
        rules = EventRules((0.5,), max_gap_s=0.3, min_duration_s=0.7)
        assert [event[1:3] for event in find_events(scores, rules)] == [(0.1, 0.8)]

    def test_the_gate_closes_where_the_clip_is_improbable(self):
        frames, clips = np.full((4, 2), 0.9), np.array([[0.2, 0.2], [0.5, 0.2], [0.5, 0.2], [0.4, 0.2]])
        rules = EventRules((0.5, 0.5), clip_threshold=0.5)
        [event] = find_events(scores_of(frames, clips), rules)
        assert event[:3] == ("c0", FRAME_S, 3 * FRAME_S)

    def test_events_are_ordered_by_onset_then_label(self):
        frames = np.array([[0.1, 0.9, 0.9], [0.1, 0.1, 0.9], [0.9, 0.9, 0.1]])
        events = find_events(scores_of(frames, frames), EventRules((0.5,) * 3))
        assert [event.label for event in events] == ["c1", "c2", "c0", "c1"]

    def test_there_must_be_a_threshold_for_each_class(self):
        with pytest.raises(ConfigError, match=r"thresholds must have one value per class \(1\), got 2"):
            EventFinder(LabelSet(("a",)), EventRules((0.5, 0.5)), FRAME_S)


class TestStreaming:
    def test_an_event_is_returned_once_when_nothing_later_can_change_it(self):
        rules = EventRules((0.5,), median_filter_s=3 * FRAME_S, max_gap_s=FRAME_S)
        finder = EventFinder(LabelSet(("c0",)), rules, FRAME_S)
        returned = []
        for place, value in enumerate([0.9, 0.9, 0.1, 0.1, 0.1, 0.1, 0.1]):
            frame = np.array([[value]])
            returned.append(len(finder.push(scores_of(frame, frame, first=place))))
        # It ends after frame 1; frame 3 shows the gap to be too long, frame 4 settles what frame 3 is.
        assert returned == [0, 0, 0, 0, 1, 0, 0]
        assert finder.finish() == []

    def test_a_sound_that_never_ends_is_one_event(self):
        rules = EventRules((0.5,), median_filter_s=1.0)
        finder = EventFinder(LabelSet(("c0",)), rules, FRAME_S)
        frames = np.full((10, 1), 0.8)
        assert all(finder.push(scores_of(frames, frames, first=10 * block)) == [] for block in range(100))
        [event] = finder.finish()
        assert (event.onset_s, event.offset_s) == (0, 1000 * FRAME_S)

    def test_without_frames_there_are_no_events(self):
        assert EventFinder(LabelSet(("a",)), EventRules((0.5,)), FRAME_S).finish() == []


class TestBoxes:
    SCORES = one_class(0.1, 0.1, 0.8, 0.9, 0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.6, 0.1, 0.1)

    def test_a_threshold_chooses_boxes_and_moves_no_edge(self):
        rules = EventRules((0.3,), boxes=BoxRules(step_s=FRAME_S))
        surer, other = find_events(self.SCORES, rules)
        assert surer[:3] == ("c0", 2 * FRAME_S, 5 * FRAME_S)
        assert other[1:3] == (10 * FRAME_S, 11 * FRAME_S)
        assert find_events(self.SCORES, replace(rules, thresholds=(0.7,))) == [surer]
        assert find_events(self.SCORES, replace(rules, thresholds=(0.9,))) == []

    def test_boxes_that_are_too_short_are_left_out(self):
        rules = EventRules((0.3,), min_duration_s=2 * FRAME_S, boxes=BoxRules(step_s=FRAME_S))
        assert [event.onset_s for event in find_events(self.SCORES, rules)] == [2 * FRAME_S]

    def test_the_blocks_do_not_matter(self):
        frames, clips = random_scores(150)
        boxes = BoxRules(step_s=(0.3, 0.6, 1.0, 1.0, 2.0))
        rules = EventRules((0.3, 0.4, 0.5, 0.6, 0.7), min_duration_s=0.7, boxes=boxes)
        whole = find_events(scores_of(frames, clips), rules)
        assert len(whole) > 5
        assert blockwise(frames, clips, rules, [1, 2, 50, 51, 149]) == whole
