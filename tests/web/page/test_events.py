from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from htsat.engines.protocol import ModelDescription
from htsat.labels import LabelSet
from htsat.recognition.events import EventFinder
from htsat.rules import BoxRules, EventRules
from htsat.scores import FrameGrid, FrameScores, SoundEvent, Task, in_order
from htsat.web.page import frames as frames_module
from htsat.web.page.boxes import BoxShelf
from htsat.web.page.events import curves_between, find_events
from htsat.web.page.frames import FrameWriter, StoredFrames, open_frames

N_CLASSES, N_FRAMES = 6, 700


def describe(task: Task) -> ModelDescription:
    return ModelDescription(
        name="any",
        labels=LabelSet.of("fedcba"),
        task=task,
        rules=EventRules.usual((0.25,) * N_CLASSES),
        sample_rate=800,
        clip_samples=8000,
        n_frames=32,
        n_coarse_frames=32,
        embedding_dim=2,
    )


def scores_of(model: ModelDescription, seed: int) -> FrameScores:
    """Scores that wander up and down; the classes differ in how loud they get."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (N_FRAMES, N_CLASSES)).cumsum(axis=0)
    logits = 3 * np.sin(steps / 3) - np.linspace(0, 12, N_CLASSES)
    clips = np.repeat(rng.normal(-1, 2, (N_FRAMES // 16 + 1, N_CLASSES)), 16, axis=0)[:N_FRAMES]
    grid = FrameGrid.regular(N_FRAMES, model.frame_s, N_FRAMES * model.frame_s - 0.1)
    return FrameScores(logits.astype(np.float32), clips.astype(np.float32), grid, model.labels, model.task)


def stored(folder: Path, scores: FrameScores, model: ModelDescription) -> StoredFrames:
    writer = FrameWriter(folder, model)
    for start in range(0, N_FRAMES, 93):
        part = slice(start, start + 93)
        grid = FrameGrid(scores.grid.boundaries_s[start : start + 94])
        writer.append(
            FrameScores(scores.logits[part], scores.clip_logits[part], grid, scores.labels, scores.task)
        )
    writer.finish()
    frames = open_frames(folder, model)
    assert frames is not None
    return frames


def heard(scores: FrameScores, rules: EventRules, model: ModelDescription) -> list[SoundEvent]:
    """What listening finds, which knows all classes and all frames at once."""
    finder = EventFinder(model.labels, rules, model.frame_s)
    return in_order([*finder.push(scores), *finder.finish()], model.labels)


def random_rules(seed: int) -> EventRules:
    """Rules of frames or boxes, for all classes together or for each."""
    rng = np.random.default_rng(seed)

    def some(most: float) -> float | tuple[float, ...]:
        kind = rng.integers(3)
        each = tuple(np.round(rng.uniform(0, most, N_CLASSES), 3).tolist())
        return 0.0 if kind == 0 else each[0] if kind == 1 else each

    thresholds = tuple(np.round(rng.uniform(0, 1, N_CLASSES) ** 2, 3).tolist())
    if seed % 4 == 0:
        steps = tuple(rng.choice([0.3, 0.6, 1.5], N_CLASSES).tolist())
        return EventRules(thresholds, min_duration_s=some(2), boxes=BoxRules(step_s=steps, max_dip=some(1)))
    return EventRules(thresholds, some(2), some(2), some(2), some(0.5))


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
@pytest.mark.parametrize("block", [64, 1024])
def test_events_are_those_of_listening(
    tmp_path: Path, task: Task, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_module, "_BLOCK", block)
    monkeypatch.setattr(frames_module, "_CHUNK", 3 * block)
    model = describe(task)
    scores = scores_of(model, seed=1)
    frames = stored(tmp_path, scores, model)
    n_events = 0
    for seed in range(60):
        rules = random_rules(seed)
        expected = heard(scores, rules, model)
        assert find_events(frames, rules) == expected
        n_events += len(expected)
    assert n_events > 1000


def test_thresholds_at_the_loudest_frame(tmp_path: Path) -> None:
    """The class is read although nothing may exceed the threshold: who decides is `EventFinder`."""
    model = describe("multi_label")
    scores = scores_of(model, seed=2)
    frames = stored(tmp_path, scores, model)
    highest = scores.probabilities.max(axis=0)
    for threshold in (np.nextafter(highest, 0), highest, np.nextafter(highest, np.float32(1))):
        rules = EventRules(tuple(np.clip(threshold, 0, 1).tolist()))
        assert find_events(frames, rules) == heard(scores, rules, model)


def test_quiet_classes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = describe("multi_label")
    frames = stored(tmp_path, scores_of(model, seed=1), model)
    read: list[int] = []
    original = StoredFrames.read

    def counted(self: StoredFrames, classes: frames_module.Indices) -> object:
        read.append(len(classes))
        return original(self, classes)

    monkeypatch.setattr(StoredFrames, "read", counted)
    assert find_events(frames, EventRules((1.0,) * N_CLASSES)) == []
    assert read == []
    find_events(frames, replace(model.rules, thresholds=(0.5,) * N_CLASSES))
    assert 1 <= read[0] < N_CLASSES


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_boxes_are_found_once(tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the thresholds and least durations, in any order, for more recordings than are kept."""
    model = describe(task)
    stores = [stored(tmp_path / str(seed), scores_of(model, seed), model) for seed in range(3)]
    boxes = BoxRules(step_s=0.6)
    rng = np.random.default_rng(0)
    tried = [
        EventRules(tuple(rng.uniform(0, 1, N_CLASSES) ** 2), min_duration_s=duration_s, boxes=boxes)
        for duration_s in (0, 0.5, 2.0) * 4
    ]
    expected = [[find_events(frames, rules) for rules in tried] for frames in stores]
    shelf = BoxShelf()
    assert [[shelf.find(frames, rules) for rules in tried] for frames in stores] == expected
    assert [[shelf.find(frames, rules) for frames in stores] for rules in tried] == [
        list(of_rules) for of_rules in zip(*expected, strict=True)
    ]
    lowest = EventRules((0.0,) * N_CLASSES, boxes=boxes)
    before = shelf.find(stores[0], lowest)
    monkeypatch.setattr(StoredFrames, "read", None)
    assert shelf.find(stores[0], lowest) == before
    assert len(before) > 100


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
@pytest.mark.parametrize(("start_s", "stop_s"), [(0, 1000), (10.1, 60.0), (50.0, 50.2)])
@pytest.mark.parametrize("n_points", [1, 7, 5000])
def test_curves_have_the_largest_probability_of_each_part(
    tmp_path: Path, task: Task, start_s: float, stop_s: float, n_points: int
) -> None:
    model = describe(task)
    scores = scores_of(model, seed=3)
    curves = curves_between(stored(tmp_path, scores, model), [4, 1], (start_s, stop_s), n_points)
    times_s = scores.grid.boundaries_s
    inside = np.flatnonzero((times_s[1:] > start_s) & (times_s[:-1] < stop_s))
    parts = np.array_split(inside, min(n_points, len(inside)))
    assert len(curves.times_s) == len(parts) == len(curves.values)
    assert np.array_equal(curves.values.max(axis=0), scores.probabilities[inside][:, [4, 1]].max(axis=0))
    if n_points == 5000:
        assert np.array_equal(curves.values, scores.probabilities[inside][:, [4, 1]])
        assert np.allclose(curves.times_s, (times_s[inside] + times_s[inside + 1]) / 2)
    assert np.all(np.diff(curves.times_s) > 0)


def test_a_peak_of_one_frame_is_seen_at_any_zoom(tmp_path: Path) -> None:
    model = describe("multi_label")
    scores = scores_of(model, seed=3)
    scores.logits[:] = -9
    scores.logits[333, 2] = 9
    frames = stored(tmp_path, scores, model)
    for n_points in (1, 2, 10, 99, 699):
        curves = curves_between(frames, [2], (0, 1000), n_points)
        [loud] = np.flatnonzero(curves.values[:, 0] > 0.5)
        width_s = scores.grid.boundaries_s[-1] / n_points
        assert abs(curves.times_s[loud] - 333.5 * model.frame_s) <= width_s


def test_no_frames(tmp_path: Path) -> None:
    model = describe("multi_class")
    with closing(FrameWriter(tmp_path, model)) as writer:
        assert find_events(writer.view(), model.rules) == []
        assert len(curves_between(writer.view(), [0, 1], (0, 10), 5).times_s) == 0
