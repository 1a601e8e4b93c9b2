from __future__ import annotations

import numpy as np
import pytest

from htsat.labels import LabelSet
from htsat.scores import ClipScores, FrameGrid, FrameScores, Tag, log_odds, probabilities

LABELS = LabelSet(("a", "b", "c"))


def array(values: list[object]) -> np.ndarray:
    return np.array(values, np.float32)


def frame_scores(logits: list[object], boundaries_s: list[float]) -> FrameScores:
    grid = FrameGrid(np.array(boundaries_s))
    return FrameScores(array(logits), array(logits), grid, LABELS, "multi_label")


def test_multi_label_probabilities_are_sigmoids() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (4, 3)).astype(np.float32)
    np.testing.assert_allclose(probabilities(logits, "multi_label"), 1 / (1 + np.exp(-logits)), rtol=2e-6)


def test_multi_class_probabilities_sum_to_one() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (4, 3)).astype(np.float32)
    odds = np.exp(logits.astype(np.float64))
    expected = odds / odds.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(probabilities(logits, "multi_class"), expected, rtol=1e-5)


@pytest.mark.parametrize("task", ["multi_label", "multi_class"])
def test_huge_logits_stay_probabilities(task) -> None:  # type: ignore[no-untyped-def]
    values = probabilities(array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]]), task)
    assert np.isfinite(values).all()
    assert ((values >= 0) & (values <= 1)).all()
    assert values[0, 0] == 1


def test_tags_come_from_the_most_to_the_least_probable() -> None:
    scores = ClipScores(array([-1.0, 2.0, 0.0]), LABELS, "multi_label")
    tags = scores.tags()
    assert [tag.label for tag in tags] == ["b", "c", "a"]
    assert tags[1] == Tag("c", 0.5)
    assert scores.tags(top=1) == tags[:1]
    assert scores.tags(min_probability=0.5) == tags[:2]
    assert scores.tags(top=1, min_probability=0.95) == []


def test_equal_tags_keep_the_order_of_the_classes() -> None:
    assert [tag.label for tag in ClipScores(array([1, 1, 1]), LABELS, "multi_label").tags()] == [
        "a",
        "b",
        "c",
    ]


def test_the_last_frame_of_a_regular_grid_ends_with_the_recording() -> None:
    grid = FrameGrid.regular(3, 0.5, 1.2)
    np.testing.assert_allclose(grid.boundaries_s, [0, 0.5, 1.0, 1.2])
    np.testing.assert_allclose(grid.durations_s, [0.5, 0.5, 0.2])
    assert grid.n_frames == 3


@pytest.mark.parametrize(
    ("time_s", "frame"), [(-1, 0), (0, 0), (0.49, 0), (0.5, 1), (1.1, 2), (1.2, 2), (9, 2)]
)
def test_the_frame_at_a_time(time_s: float, frame: int) -> None:
    assert FrameGrid.regular(3, 0.5, 1.2).frame_at(time_s) == frame


def test_grids_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"boundaries must be a vector, got shape \(1, 2\)"):
        FrameGrid(np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"boundaries must be a vector, got shape \(0,\)"):
        FrameGrid(np.zeros(0))
    with pytest.raises(ValueError, match="boundaries must increase"):
        FrameGrid(np.array([0.0, 1.0, 1.0]))


def test_logits_that_do_not_fit_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected logits \(2, 3\), got \(1, 3\) and \(1, 3\)"):
        frame_scores([[0, 0, 0]], [0, 1, 2])


def test_the_clip_is_the_mean_over_time_and_not_over_frames() -> None:
    clip = frame_scores([[0, 0, 3], [4, 0, -1]], [0, 3, 4]).clip()
    np.testing.assert_allclose(clip.logits, [1, 0, 2])
    assert clip.logits.dtype == np.float32
    assert (clip.labels, clip.task) == (LABELS, "multi_label")


def test_log_odds_undo_probabilities_and_stay_finite() -> None:
    logits = np.linspace(-80, 12, 93, dtype=np.float32)
    np.testing.assert_allclose(
        log_odds(probabilities(logits, "multi_label").astype(np.float64)), logits, rtol=1e-5, atol=0.01
    )
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
    chances = np.array([1e-30, 0.25, 0.999])
    np.testing.assert_allclose(probabilities(log_odds(chances), "multi_label"), chances, rtol=1e-5)
