from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from htsat.class_sets.engine import GroupedEngine
from htsat.class_sets.groups import alone, composed, grouped_clip, merged_rules
from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.evaluation.class_map import Groups
from htsat.labels import LabelSet
from htsat.recognition.recognizer import Recognizer
from htsat.rules import BoxRules, EventRules
from htsat.scores import ClipScores, FloatArray, Task, probabilities

LABELS = LabelSet(("dog", "cat", "rain", "wind"))
RULES = EventRules(
    (0.2, 0.4, 0.5, 0.6), (0.0, 1.0, 0.5, 0.5), (0.1, 0.2, 0.3, 0.4), (0.5, 1.0, 0.0, 0.2), 0.1
)
RATE = 400


def groups(**members: tuple[int, ...]) -> Groups:
    return Groups(LabelSet.of(members), tuple(map(np.array, members.values())))


ANIMAL = groups(animal=(0, 1), rain=(2,), dog=(0,))
RENAMED = groups(Wind=(3,), Hund=(0,), Katze=(1,), Regen=(2,))


class FakeEngine:
    """Answers with numbers that depend on the loudness of a clip."""

    def __init__(self, task: Task) -> None:
        self.description = ModelDescription("fake", LABELS, task, RULES, RATE, 10 * RATE, 20, 10, 3)

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        loudness = np.abs(clips).mean(axis=1)[:, None, None]
        wave = 4 * np.sin(np.arange(20 * 4).reshape(20, 4) * 7.3 + loudness).astype(np.float32)
        embedding = np.repeat(loudness[:, 0], 3, axis=1).astype(np.float32)
        return EngineOutput(wave, wave[:, ::2], embedding, np.repeat(embedding[:, None], 10, axis=1))


@pytest.fixture
def clips() -> FloatArray:
    return np.random.default_rng(0).standard_normal((3, 10 * RATE)).astype(np.float32)


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
@pytest.mark.parametrize("some", [ANIMAL, groups(cat=(1,)), RENAMED])
def test_a_group_is_as_probable_as_its_most_probable_member(
    task: Task, some: Groups, clips: FloatArray
) -> None:
    engine = FakeEngine(task)
    grouped = GroupedEngine(engine, some)
    own, output = engine.frame_scores(clips), grouped.frame_scores(clips)
    for name in ("frame_logits", "tagging_logits"):
        of_classes = probabilities(getattr(own, name), task)
        expected = np.stack([of_classes[..., places].max(axis=-1) for places in some.places], axis=-1)
        found = getattr(output, name)
        assert found.dtype == np.float32
        np.testing.assert_allclose(probabilities(found, grouped.description.task), expected, rtol=1e-4)
    np.testing.assert_array_equal(output.embedding, own.embedding)
    np.testing.assert_array_equal(output.frame_embedding, own.frame_embedding)


def test_the_description_is_that_of_the_model_with_other_classes() -> None:
    model = FakeEngine("multi_class").description
    found = GroupedEngine(FakeEngine("multi_class"), ANIMAL).description
    assert found == dataclasses.replace(
        model, labels=ANIMAL.labels, rules=merged_rules(RULES, ANIMAL), task="multi_label"
    )


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_other_names_change_no_score(task: Task) -> None:
    waveform = np.random.default_rng(0).standard_normal(35 * RATE).astype(np.float32)
    engine = FakeEngine(task)
    own = Recognizer(engine).scores(waveform, RATE)
    renamed = Recognizer(GroupedEngine(engine, RENAMED)).scores(waveform, RATE)
    assert renamed.labels.names == ("Wind", "Hund", "Katze", "Regen")
    assert renamed.task == task
    np.testing.assert_array_equal(renamed.logits, own.logits[:, [3, 0, 1, 2]])
    np.testing.assert_array_equal(renamed.clip_logits, own.clip_logits[:, [3, 0, 1, 2]])
    for clip in (renamed.clip(), grouped_clip(own.clip(), RENAMED)):
        assert clip.task == task
        np.testing.assert_array_equal(clip.logits, own.clip().logits[[3, 0, 1, 2]])


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_a_parent_sounds_while_a_child_sounds(overlap: float) -> None:
    waveform = np.random.default_rng(1).standard_normal(40 * RATE).astype(np.float32)
    engine = FakeEngine("multi_label")
    own = Recognizer(engine, overlap=overlap).scores(waveform, RATE)
    active = (own.probabilities > 0.6)[:, :2].any(axis=1)
    grouped = Recognizer(GroupedEngine(engine, groups(animal=(0, 1))), overlap=overlap)
    events = grouped.hear_blocks([waveform], EventRules((0.6,))).events
    middles = (own.grid.boundaries_s[1:] + own.grid.boundaries_s[:-1]) / 2
    found = np.array([any(event.onset_s < time < event.offset_s for event in events) for time in middles])
    assert 0 < active.sum() < len(active)
    assert not (active & ~found).any()
    if not overlap:  # clips that do not agree on which child it is may agree on the parent
        np.testing.assert_array_equal(found, active)


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_tags_of_groups_are_the_largest_of_their_members(task: Task) -> None:
    scores = ClipScores(np.array([1.0, -2.0, 30.0, -90.0], np.float32), LABELS, task)
    found = grouped_clip(scores, ANIMAL)
    assert found.labels == ANIMAL.labels
    np.testing.assert_allclose(found.probabilities, scores.probabilities[[0, 2, 0]], rtol=1e-5)


def test_rules_of_groups_are_those_that_find_most() -> None:
    assert merged_rules(RULES, ANIMAL) == EventRules(
        thresholds=(0.2, 0.5, 0.2),
        median_filter_s=(0.0, 0.5, 0.0),
        min_duration_s=(0.1, 0.3, 0.1),
        max_gap_s=(1.0, 0.0, 0.5),
        clip_threshold=(0.1,) * 3,
    )
    boxes = EventRules((0.2, 0.4, 0.5, 0.6), boxes=BoxRules((0.5, 0.1, 1.0, 1.0), 0.2, (0.1, 0.9, 0.5, 0.5)))
    assert merged_rules(boxes, ANIMAL).boxes == BoxRules((0.1, 1.0, 0.5), (0.2,) * 3, (0.9, 0.5, 0.1))


def test_groups_of_groups() -> None:
    second = groups(life=(0, 2), all=(0, 1, 2))
    found = composed(ANIMAL, second)
    assert found.labels.names == ("life", "all")
    assert [own.tolist() for own in found.places] == [[0, 1], [0, 1, 2]]
    assert [own.tolist() for own in composed(alone(LABELS), ANIMAL).places] == [[0, 1], [2], [0]]
