from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from htsat.errors import ConfigError
from htsat.labels import LabelSet
from htsat.recognition.boxes import BoxFinder, box_scores, confident, find_boxes
from htsat.rules import BoxRules
from htsat.scores import FloatArray, FrameGrid, FrameScores, SoundEvent

FINE_S = 0.04
COARSE_S = 0.3125
RULES = (
    BoxRules(step_s=0.04),
    BoxRules(step_s=0.4, max_dip=0.1, max_relative_dip=0.3),
    BoxRules(step_s=(0.04, 0.12, 0.2, 0.4, 0.44), max_dip=(0.0, 0.1, 0.2, 0.5, 1.0), max_relative_dip=0.6),
    BoxRules(step_s=8.0),
)


def labels_of(n_classes: int) -> LabelSet:
    return LabelSet(tuple(f"c{index}" for index in range(n_classes)))


def scores_of(frames: FloatArray, first: int = 0, frame_s: float = FINE_S) -> FrameScores:
    """FrameScores with these probabilities `(n, K)`; the first frame begins at `first` frames."""
    with np.errstate(divide="ignore"):
        logits = np.log(frames / (1 - frames)).astype(np.float32)
    grid = FrameGrid((first + np.arange(len(frames) + 1)) * frame_s)
    return FrameScores(logits, logits, grid, labels_of(frames.shape[1]), "multi_label")


def signal(*pieces: tuple[float, int]) -> FloatArray:
    """Plateaus `(n, 1)`: so high, for so many frames."""
    return np.concatenate([np.full((n, 1), height) for height, n in pieces])


def wandering(n_frames: int, n_classes: int = 5) -> FloatArray:
    """Probabilities `(n, K)` that wander, some of them standing still for a while."""
    steps = np.random.default_rng(n_frames).standard_normal((n_frames, n_classes))
    still = np.arange(n_frames) % 17 > 11
    path = np.cumsum(np.where(still[:, None], 0, steps), axis=0)
    return 1 / (1 + np.exp(-path))


def extents(boxes: list[SoundEvent], frame_s: float = FINE_S) -> list[tuple[int, int]]:
    """The boxes in frames."""
    return [(round(box.onset_s / frame_s), round(box.offset_s / frame_s)) for box in boxes]


def plain_boxes(scores: FrameScores, rules: BoxRules, frame_s: float) -> list[SoundEvent]:
    """The same method, class by class and boundary by boundary, with whole numbers of Python."""
    events = []
    for k, rule in enumerate(rules.of_classes(len(scores.labels))):
        x = [round(float(p) * 2**30) for p in scores.probabilities[:, k]]
        n = max(1, int(rule.step_s / frame_s + 0.5))

        def at(i, x=x):
            return x[i] if 0 <= i < len(x) else 0

        def change(i, at=at, n=n):
            return sum(at(i + j) for j in range(n)) - sum(at(i - 1 - j) for j in range(n))

        # Of equal neighbours one stays: the last where they stand out upwards, the first where downwards.
        changes = [(i, change(i)) for i in range(-n - 1, len(x) + n + 2)]
        levels = [[changes[0][0], changes[0][0], changes[0][1]]]
        for i, value in changes[1:]:
            if value == levels[-1][2]:
                levels[-1][1] = i
            else:
                levels.append([i, i, value])
        triples = [levels[i - 1 : i + 2] for i in range(1, len(levels) - 1)]
        onsets = [b[1] for a, b, c in triples if a[2] < b[2] > c[2]]
        offsets = [b[0] for a, b, c in triples if a[2] > b[2] < c[2]]

        def mean(start, stop, x=x):
            return sum(x[start:stop]) / (stop - start) / 2**30

        merged: list[list[int]] = []
        for start, stop in zip(onsets, offsets, strict=True):
            if merged:
                before = merged[-1]
                surer = max(mean(*before), mean(start, stop))
                dip = surer - mean(before[1], start)
                if dip <= rule.max_dip and dip <= rule.max_relative_dip * surer:
                    before[1] = stop
                    continue
            merged.append([start, stop])
        times_s = scores.grid.boundaries_s
        events += [SoundEvent(f"c{k}", times_s[a], times_s[b], mean(a, b)) for a, b in merged]
    return sorted(events, key=lambda event: (event.onset_s, event.label))


class TestAgainstThePlainWay:
    @pytest.mark.parametrize("rules", RULES)
    @pytest.mark.parametrize("n_frames", [1, 2, 3, 20, 170])
    def test_all_frames_at_once(self, rules, n_frames):
        scores = scores_of(wandering(n_frames))
        assert find_boxes(scores, rules) == plain_boxes(scores, rules, FINE_S)

    def test_frames_of_another_length(self):
        scores = scores_of(wandering(64), frame_s=COARSE_S)
        rules = BoxRules(step_s=(0.1, 0.3, 0.5, 1.0, 2.0))
        assert find_boxes(scores, rules) == plain_boxes(scores, rules, COARSE_S)

    @pytest.mark.parametrize("rules", RULES)
    def test_the_blocks_do_not_matter(self, rules):
        frames = wandering(150)
        whole = find_boxes(scores_of(frames), rules)
        rng = np.random.default_rng(1)
        cuttings = [sorted(rng.choice(np.arange(1, 150), n, replace=False).tolist()) for n in (1, 3, 20, 60)]
        for cuts in [*cuttings, list(range(1, 150))]:
            finder = BoxFinder(labels_of(5), rules, FINE_S)
            boxes: list[SoundEvent] = []
            for start, stop in pairwise([0, *cuts, 150]):
                boxes += finder.push(scores_of(frames[start:stop], first=start))
            boxes += finder.finish()
            assert sorted(boxes) == sorted(whole)


class TestEdges:
    @pytest.mark.parametrize(("n_before", "n_sounding", "n_after"), [(50, 60, 40), (40, 4, 40), (3, 1, 20)])
    @pytest.mark.parametrize("step_s", [0.04, 0.2, 0.5])
    def test_a_plateau_is_one_box_of_its_extent(self, n_before, n_sounding, n_after, step_s):
        frames = signal((0, n_before), (0.8, n_sounding), (0, n_after))
        boxes = find_boxes(scores_of(frames), BoxRules(step_s=step_s))
        assert extents(boxes) == [(n_before, n_before + n_sounding)]
        assert boxes[0].probability == pytest.approx(0.8)

    @pytest.mark.parametrize("threshold", [0.2, 0.3, 0.5, 0.65])
    def test_a_noisy_plateau_is_the_same_box_at_any_threshold(self, threshold):
        frames = signal((0.1, 100), (0.7, 80), (0.1, 90))
        frames += np.random.default_rng(3).uniform(-0.09, 0.09, frames.shape)
        boxes = find_boxes(scores_of(frames), BoxRules(step_s=0.4))
        [box] = confident(boxes, (threshold,), labels_of(1))
        assert extents([box]) == [(100, 180)]
        assert box.probability == pytest.approx(frames[100:180].mean(), abs=1e-6)

    def test_a_sound_throughout_is_one_box(self):
        [box] = find_boxes(scores_of(signal((0.6, 30))), BoxRules())
        assert extents([box]) == [(0, 30)]

    def test_silence_has_no_boxes(self):
        assert find_boxes(scores_of(signal((0, 30))), BoxRules()) == []

    def test_without_frames_there_are_no_boxes(self):
        assert find_boxes(scores_of(np.zeros((0, 1))), BoxRules()) == []
        assert BoxFinder(labels_of(1), BoxRules(), FINE_S).finish() == []

    def test_a_lower_sound_that_follows_does_not_draw_a_box_out(self):
        frames = signal((0, 40), (0.9, 40), (0.3, 40), (0, 40))
        first, second = find_boxes(scores_of(frames), BoxRules(step_s=0.4))
        assert (extents([first]), extents([second])[0][1]) == ([(40, 80)], 120)
        assert (first.probability, second.probability) == pytest.approx((0.9, 0.3))

    def test_the_last_frame_may_be_shorter(self):
        frames = signal((0, 3), (0.9, 2))
        scores = scores_of(frames, frame_s=COARSE_S)
        cut = FrameGrid.regular(5, COARSE_S, duration_s=1.3)
        shorter = FrameScores(scores.logits, scores.logits, cut, scores.labels, "multi_label")
        [box] = find_boxes(shorter, BoxRules())
        assert (box.onset_s, box.offset_s) == (3 * COARSE_S, 1.3)

    def test_a_shift_in_time_shifts_the_boxes(self):
        frames = wandering(120) * (np.arange(120)[:, None] > 20)
        rules = BoxRules(step_s=0.3, max_dip=0.1)
        shifted = np.concatenate([np.zeros((33, 5)), frames])
        boxes, later = find_boxes(scores_of(frames), rules), find_boxes(scores_of(shifted), rules)
        assert extents(later) == [(start + 33, stop + 33) for start, stop in extents(boxes)]
        assert [box.probability for box in later] == [box.probability for box in boxes]

    def test_times_count_from_where_the_scores_begin(self):
        frames = signal((0.9, 5), (0, 20))
        [box] = find_boxes(scores_of(frames, first=100), BoxRules(step_s=0.1))
        assert extents([box]) == [(100, 105)]


class TestMerging:
    """Two plateaus of 0.8 with a gap between them that dips to some level."""

    @pytest.mark.parametrize(
        ("level", "rules", "n_boxes"),
        [
            (0.65, BoxRules(step_s=0.2, max_dip=0.2, max_relative_dip=1), 1),
            (0.55, BoxRules(step_s=0.2, max_dip=0.2, max_relative_dip=1), 2),
            (0.65, BoxRules(step_s=0.2, max_dip=1, max_relative_dip=0.25), 1),
            (0.55, BoxRules(step_s=0.2, max_dip=1, max_relative_dip=0.25), 2),
            (0.55, BoxRules(step_s=0.2, max_dip=0.3, max_relative_dip=0.25), 2),
            (0.55, BoxRules(step_s=0.2, max_dip=0.3, max_relative_dip=0.4), 1),
            (0.0, BoxRules(step_s=0.2, max_dip=1, max_relative_dip=1), 1),
        ],
    )
    def test_only_a_deep_dip_divides(self, level, rules, n_boxes):
        frames = signal((0, 20), (0.8, 30), (level, 10), (0.8, 30), (0, 20))
        boxes = find_boxes(scores_of(frames), rules)
        assert extents(boxes) == ([(20, 90)] if n_boxes == 1 else [(20, 50), (60, 90)])

    def test_weak_sounds_are_divided_by_the_share_of_their_confidence(self):
        frames = signal((0, 20), (0.1, 30), (0.02, 10), (0.1, 30), (0, 20))
        assert len(find_boxes(scores_of(frames), BoxRules(step_s=0.2))) == 2

    def test_the_confidence_of_a_merged_box_is_that_of_all_its_frames(self):
        frames = signal((0, 20), (0.8, 30), (0.7, 10), (0.6, 20), (0, 20))
        [box] = find_boxes(scores_of(frames), BoxRules(step_s=0.2))
        assert box.probability == pytest.approx(frames[20:80].mean())

    def test_classes_may_have_their_own_rules(self):
        frames = np.repeat(signal((0, 20), (0.8, 30), (0.6, 10), (0.8, 30), (0, 20)), 2, axis=1)
        boxes = find_boxes(scores_of(frames), BoxRules(step_s=0.2, max_dip=(0.1, 0.3)))
        assert [box.label for box in boxes] == ["c0", "c1", "c0"]


class TestStreaming:
    def test_a_box_is_returned_when_the_next_candidate_is_not_part_of_it(self):
        frames = signal((0, 4), (0.9, 4), (0, 4), (0.5, 2), (0, 8))
        finder = BoxFinder(labels_of(1), BoxRules(step_s=FINE_S), FINE_S)
        returned = [len(finder.push(scores_of(frame[None], first=i))) for i, frame in enumerate(frames)]
        # The second sound ends before frame 14. Frame 15 shows that the change does not fall further.
        assert np.flatnonzero(returned).tolist() == [15]
        assert extents(finder.finish()) == [(12, 14)]

    def test_what_is_kept_does_not_grow(self):
        finder = BoxFinder(labels_of(2), BoxRules(step_s=(0.2, 0.4)), FINE_S)
        for block in range(40):
            finder.push(scores_of(wandering(100, 2), first=100 * block))
        kept = [len(tracker._totals) for tracker in finder._trackers]
        assert kept == [2 * 5, 2 * 10]


class TestScoresOfBoxes:
    def test_a_box_is_its_confidence_and_nothing_is_around_it(self):
        grid = FrameGrid.regular(6, 0.5, duration_s=2.9)
        boxes = [SoundEvent("c1", 0.5, 1.5, 0.75), SoundEvent("c0", 2.0, 2.9, 0.25)]
        expected = np.zeros((6, 2), np.float32)
        expected[1:3, 1], expected[4:, 0] = 0.75, 0.25
        np.testing.assert_array_equal(box_scores(boxes, grid, labels_of(2)), expected)

    def test_the_surer_of_two_boxes_counts(self):
        boxes = [SoundEvent("c0", 0, 2, 0.75), SoundEvent("c0", 1, 3, 0.25)]
        scores = box_scores(boxes, FrameGrid.regular(3, 1.0, 3.0), labels_of(1))
        assert scores[:, 0].tolist() == [0.75, 0.75, 0.25]

    def test_there_and_back(self):
        scores = scores_of(wandering(120))
        boxes = find_boxes(scores, BoxRules(step_s=0.2))
        frames = box_scores(boxes, scores.grid, scores.labels)
        again = [
            (label, (start, stop), value)
            for k, label in enumerate(scores.labels)
            for start, stop, value in runs(frames[:, k])
        ]
        expected = [(box.label, extents([box])[0], np.float32(box.probability)) for box in boxes]
        assert sorted(again) == sorted(expected)


def runs(values: FloatArray) -> list[tuple[int, int, float]]:
    """Stretches of one value other than 0."""
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    return [(a, b, values[a]) for a, b in pairwise(edges) if values[a] > 0]


def test_only_boxes_above_the_threshold_of_their_class_are_confident():
    boxes = [SoundEvent("c0", 0, 1, 0.5), SoundEvent("c1", 0, 1, 0.5), SoundEvent("c1", 2, 3, 0.2)]
    assert confident(boxes, (0.5, 0.4), labels_of(2)) == boxes[1:2]


def test_rules_for_another_number_of_classes_are_refused():
    with pytest.raises(ConfigError, match=r"step_s must have one value per class \(1\), got 2"):
        BoxFinder(labels_of(1), BoxRules(step_s=(0.1, 0.2)), FINE_S)
