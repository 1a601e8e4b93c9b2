from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from htsat.metrics.calibration import calibration_report, reliability
from htsat.pictures.reliability import draw_reliability, histogram


def report(seed, n_classes, never_heard=()):
    rng = np.random.default_rng(seed)
    chances = rng.random((300, n_classes))
    targets = rng.random(chances.shape) < chances ** np.linspace(1, 3, n_classes)
    targets[:, list(never_heard)] = False
    return calibration_report(chances, targets)


def drawn(tmp_path, labels, **options):
    before, after = (report(seed, len(labels), **options) for seed in (1, 2))
    draw_reliability(tmp_path / "odd $.svg", "small on test", before, after, labels)
    return (tmp_path / "odd $.svg").read_text(encoding="utf-8"), before, after


def test_figures_and_classes_stand_in_the_picture(tmp_path):
    text, before, after = drawn(tmp_path, ("rain", "cash $5 $", "silence"), never_heard=[2])
    assert "small on test" in text
    assert "2 classes" in text
    assert "cash $5 $" in text
    assert "silence" not in text
    for when, figures in (("before", before), ("after", after)):
        error, brier = figures.equal_counts.expected_calibration_error, figures.equal_counts.brier.score
        assert f"{when}: calibration error {error:.4f}, Brier {brier:.4f}" in text


def test_the_least_calibrated_classes_are_shown_first(tmp_path):
    labels = tuple(f"class-{i}-" for i in range(20))
    text, before, _ = drawn(tmp_path, labels)
    order = [labels[index] for index in np.argsort(-before.class_errors)]
    assert "the 18 least calibrated of 20 classes" in text
    places = [text.index(label) for label in order[:18]]
    assert places == sorted(places)
    assert not any(label in text for label in order[18:])


def test_a_model_of_one_class(tmp_path):
    assert "1 class<" in drawn(tmp_path, ("rain",))[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_histogram_counts_each_bin_also_the_empty_ones(seed):
    chances = np.random.default_rng(seed).random(500)
    chances = np.append(chances[(chances < 0.2) | (chances > 0.5)], [0, 1, 1 / 3])
    shares = histogram(reliability(chances, chances > 0.5, binning="equal_width").bins)
    edges = np.linspace(0, 1, 16)
    expected = [np.sum((low < chances) & (chances <= high)) for low, high in pairwise(edges)]
    expected[0] += 1  # the 0
    np.testing.assert_allclose(shares, np.array(expected) / len(chances), atol=1e-12)
    assert (shares == 0).sum() >= 3
