import numpy as np
import pytest

from htsat.evaluation.class_map import Groups
from htsat.evaluation.joint_scores import grouped, joined, reordered
from htsat.labels import LabelSet
from htsat.scores import FrameGrid, FrameScores, probabilities

LABELS = LabelSet(("a", "b", "c"))


def scores(n_frames=8, frame_s=0.5, seed=0, task="multi_label"):
    rng = np.random.default_rng(seed)
    logits, around, tagging = (rng.normal(0, 8, (n_frames, 3)).astype(np.float32) for _ in range(3))
    grid = FrameGrid.regular(n_frames, frame_s, n_frames * frame_s - 0.1)
    return FrameScores(logits, around, grid, LABELS, task, tagging)


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_probabilities_are_the_mean(task):
    several = [scores(seed=seed, task=task) for seed in range(3)]
    joint = joined(several)
    mean = np.mean([own.probabilities for own in several], axis=0)
    np.testing.assert_allclose(joint.probabilities, mean, atol=1e-6)
    for name in ("clip_logits", "tagging_logits"):
        mean = np.mean([probabilities(getattr(own, name), task) for own in several], axis=0)
        np.testing.assert_allclose(probabilities(getattr(joint, name), "multi_label"), mean, atol=1e-6)
    assert (joint.task, joint.grid) == ("multi_label", several[0].grid)


def test_one_model_stays_as_it_is():
    alone = scores()
    assert joined([alone]) is alone


def test_extreme_probabilities_stay_finite():
    logits = np.array([[-1000, 0, 1000]], np.float32)
    sure = FrameScores(logits, logits, FrameGrid.regular(1, 1.0, 1.0), LABELS, "multi_label")
    joint = joined([sure, sure])
    assert np.isfinite(joint.logits).all()
    np.testing.assert_allclose(joint.probabilities, [[0, 0.5, 1]], atol=1e-6)


def test_longer_frames_are_heard_throughout_shorter_ones():
    coarse, fine = scores(4, 0.5), scores(16, 0.125, seed=1)
    for several in ([coarse, fine], [fine, coarse]):
        joint = joined(several)
        assert joint.grid is fine.grid
        mean = (coarse.probabilities.repeat(4, axis=0) + fine.probabilities) / 2
        np.testing.assert_allclose(joint.probabilities, mean, atol=1e-6)


def test_frames_that_do_not_nest_count_by_their_middles():
    """Frames of 0.4 s, of which the second covers 0.4 s to 0.8 s, beside frames of 0.3 s."""
    coarse, fine = scores(3, 0.4), scores(4, 0.3, seed=1)
    mean = (coarse.probabilities[[0, 1, 1, 2]] + fine.probabilities) / 2
    np.testing.assert_allclose(joined([coarse, fine]).probabilities, mean, atol=1e-6)


def test_classes_change_their_order():
    turned = reordered(scores(), LabelSet(("c", "a", "b")), [2, 0, 1])
    np.testing.assert_array_equal(turned.probabilities, scores().probabilities[:, [2, 0, 1]])
    np.testing.assert_array_equal(turned.tagged_by, scores().tagged_by[:, [2, 0, 1]])
    assert turned.labels.names == ("c", "a", "b")


@pytest.mark.parametrize(("task", "tolerance"), [("multi_label", 0), ("multi_class", 1e-6)])
def test_of_a_group_the_largest_probability_counts(task, tolerance):
    groups = Groups(LabelSet(("ac", "b")), (np.array([0, 2]), np.array([1])))
    own = scores(task=task)
    expected = np.stack([own.probabilities[:, [0, 2]].max(axis=1), own.probabilities[:, 1]], axis=1)
    heard = grouped(own, groups)
    np.testing.assert_allclose(heard.probabilities, expected, atol=tolerance)
    assert (heard.labels, heard.task) == (groups.labels, "multi_label")
    assert heard.clip_logits.shape == heard.tagged_by.shape == (8, 2)
