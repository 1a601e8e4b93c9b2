from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from htsat.metrics.calibration import (
    PlattScaling,
    calibration_report,
    class_calibration_errors,
    fit_platt_scaling,
    reliability,
)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def observations(n=600, n_classes=4, seed=0):
    """Logits that say too much, whether they are true, and how many observations each stands for."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-2, 2, (n, n_classes))
    targets = rng.random((n, n_classes)) < sigmoid(0.4 * logits + 0.3)
    return logits, targets.astype(np.float32), rng.integers(0, 4, (n, 1)).astype(float)


class TestReliability:
    @pytest.mark.parametrize(
        ("binning", "strategy"), [("equal_counts", "quantile"), ("equal_width", "uniform")]
    )
    @pytest.mark.parametrize("n_bins", [5, 15])
    def test_the_bins_are_those_of_scikit_learn(self, binning, strategy, n_bins):
        logits, targets, _ = observations(n=900, n_classes=1)
        found = reliability(sigmoid(logits), targets, binning=binning, n_bins=n_bins)
        shares, means = calibration_curve(
            targets[:, 0], sigmoid(logits)[:, 0], n_bins=n_bins, strategy=strategy
        )
        np.testing.assert_allclose(found.bins.means, means, atol=1e-6)
        np.testing.assert_allclose(found.bins.shares, shares, atol=1e-6)
        assert found.bins.weights.sum() == 900

    def test_the_brier_score_is_that_of_scikit_learn(self):
        logits, targets, weights = observations()
        found = reliability(sigmoid(logits), targets, weights)
        copies = np.broadcast_to(weights, logits.shape).ravel()
        expected = brier_score_loss(targets.ravel(), sigmoid(logits).ravel(), sample_weight=copies)
        assert found.brier.score == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("binning", ["equal_counts", "equal_width"])
    def test_the_parts_of_the_brier_score_add_up(self, binning):
        logits, targets, weights = observations()
        score = reliability(sigmoid(logits), targets, weights, binning).brier
        total = score.reliability - score.resolution + score.uncertainty + score.within_bins
        assert score.score == pytest.approx(total, abs=1e-12)
        share = np.average(targets, weights=np.broadcast_to(weights, targets.shape))
        assert score.uncertainty == pytest.approx(share * (1 - share))

    def test_the_expected_error_is_the_mean_distance_over_the_bins(self):
        chances = np.array([0.1, 0.1, 0.1, 0.1, 0.9, 0.9])
        targets = np.array([0, 0, 0, 1, 1, 0])
        found = reliability(chances, targets, binning="equal_width", n_bins=2)
        assert found.expected_calibration_error == pytest.approx((4 * 0.15 + 2 * 0.4) / 6)
        assert found.brier.within_bins == pytest.approx(0)

    def test_what_is_true_as_often_as_said_has_no_error(self):
        chances = np.repeat([0.25, 0.75], 400)
        targets = np.arange(800) % 4 < 4 * chances
        found = reliability(chances, targets)
        assert found.expected_calibration_error == pytest.approx(0)
        assert found.brier.reliability == pytest.approx(0)
        assert found.brier.score == pytest.approx(0.75 * 0.25)

    @pytest.mark.parametrize("binning", ["equal_counts", "equal_width"])
    def test_a_weight_is_a_number_of_copies(self, binning):
        logits, targets, weights = observations()
        copies = np.repeat(np.arange(len(logits)), weights[:, 0].astype(int))
        found = reliability(sigmoid(logits), targets, weights, binning)
        expected = reliability(sigmoid(logits)[copies], targets[copies], None, binning)
        for one, other in zip([*found.bins, *found.brier], [*expected.bins, *expected.brier], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)

    def test_bins_hold_equally_many_and_equal_probabilities_stay_together(self):
        rng = np.random.default_rng(2)
        spread = reliability(rng.random(100), rng.random(100) < 0.5, n_bins=10)
        assert spread.bins.weights.tolist() == [10] * 10
        tied = reliability(np.append(np.zeros(70), rng.random(30)), rng.random(100) < 0.5, n_bins=10)
        assert tied.bins.weights[0] == 70
        assert tied.bins.weights[1:].tolist() == [10, 10, 10]

    def test_certain_probabilities_lie_in_the_outer_bins(self):
        found = reliability(np.array([0.0, 1.0]), np.array([0, 1]), binning="equal_width", n_bins=10)
        assert found.bins.means.tolist() == [0, 1]

    def test_nothing_labelled_is_no_number(self):
        found = reliability(np.array([0.5]), np.array([1]), np.array([0.0]))
        assert len(found.bins.means) == 0
        assert np.isnan(found.expected_calibration_error)
        assert np.isnan(found.brier.score)

    def test_each_class_has_its_error(self):
        logits, targets, weights = observations()
        errors = class_calibration_errors(sigmoid(logits), targets, weights)
        alone = reliability(sigmoid(logits[:, 2]), targets[:, 2], weights[:, 0])
        assert errors.shape == (4,)
        assert errors[2] == alone.expected_calibration_error

    def test_a_report_holds_both_ways_of_binning_and_the_classes_that_are_heard(self):
        logits, targets, weights = observations()
        targets[:, 1] = 0
        found = calibration_report(sigmoid(logits), targets, weights)
        assert found.equal_counts.brier == reliability(sigmoid(logits), targets, weights).brier
        wide = reliability(sigmoid(logits), targets, weights, "equal_width")
        assert found.equal_width.expected_calibration_error == wide.expected_calibration_error
        errors = class_calibration_errors(sigmoid(logits), targets, weights)
        np.testing.assert_array_equal(found.class_errors, np.where([True, False, True, True], errors, np.nan))


class TestFit:
    def test_it_is_the_logistic_regression_of_scikit_learn_on_smoothed_targets(self):
        logits, targets, weights = observations()
        found = fit_platt_scaling(logits, targets, weights)
        for k in range(4):
            x, is_true, w = logits[:, [k]], targets[:, k] > 0, weights[:, 0]
            n_true, n_false = w[is_true].sum(), w[~is_true].sum()
            wanted = np.where(is_true, (n_true + 1) / (n_true + 2), 1 / (n_false + 2))
            # A target between 0 and 1 is a positive and a negative of these weights.
            model = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(
                np.concatenate([x, x]),
                np.repeat([1, 0], len(x)),
                np.concatenate([w * wanted, w * (1 - wanted)]),
            )
            assert found.scales[k] == pytest.approx(model.coef_[0, 0], abs=1e-6)
            assert found.offsets[k] == pytest.approx(model.intercept_[0], abs=1e-6)

    def test_a_distortion_is_undone(self):
        rng = np.random.default_rng(5)
        true_logits = rng.normal(-1, 1.5, (100_000, 1))
        targets = rng.random(true_logits.shape) < sigmoid(true_logits)
        found = fit_platt_scaling(3 * true_logits - 2, targets)
        assert found.scales[0] == pytest.approx(1 / 3, abs=0.01)
        assert found.offsets[0] == pytest.approx(2 / 3, abs=0.02)

    def test_it_lowers_the_calibration_error(self):
        logits, targets, weights = observations(n=5000)
        after = sigmoid(fit_platt_scaling(logits, targets, weights).apply(logits))
        errors = class_calibration_errors(after, targets, weights)
        assert (errors < class_calibration_errors(sigmoid(logits), targets, weights) / 3).all()

    def test_a_weight_is_a_number_of_copies(self):
        logits, targets, weights = observations()
        copies = np.repeat(np.arange(len(logits)), weights[:, 0].astype(int))
        found, expected = (
            fit_platt_scaling(logits, targets, weights),
            fit_platt_scaling(logits[copies], targets[copies]),
        )
        np.testing.assert_allclose(found.scales, expected.scales, atol=1e-9)
        np.testing.assert_allclose(found.offsets, expected.offsets, atol=1e-9)

    def test_what_is_not_labelled_does_not_count(self):
        logits, targets, _ = observations(n_classes=2)
        weights = np.ones_like(logits)
        weights[300:, 1] = 0
        targets[300:, 1] = np.nan
        found = fit_platt_scaling(logits, targets, weights)
        assert found.offsets[0] == fit_platt_scaling(logits, targets[:, :1].repeat(2, 1)).offsets[0]
        assert found.offsets[1] == fit_platt_scaling(logits[:300], targets[:300]).offsets[1]

    @pytest.mark.parametrize("value", [0, 1])
    def test_classes_without_positives_or_negatives_stay_as_they_are(self, value):
        found = fit_platt_scaling(np.linspace(-3, 3, 20)[:, None], np.full((20, 1), value))
        assert (found.scales[0], found.offsets[0]) == (1, 0)

    def test_one_positive_above_all_negatives_does_not_explode(self):
        logits = np.linspace(-9, -3, 1000)[:, None]
        targets = np.arange(1000)[:, None] == 999
        found = fit_platt_scaling(logits, targets)
        after = sigmoid(found.apply(logits))[:, 0]
        assert 0 < found.scales[0] < 10
        assert after[999] < 2 / 3
        assert after.sum() == pytest.approx(2 / 3 + 999 / 1001, abs=1e-3)

    @pytest.mark.parametrize("spread", [1e-3, 1, 1e3])
    def test_the_size_of_the_logits_does_not_matter(self, spread):
        logits, targets, _ = observations(n_classes=1)
        plain, large = fit_platt_scaling(logits, targets), fit_platt_scaling(logits * spread + 5, targets)
        scale = plain.scales[0] / spread
        if scale >= 0.01:
            assert large.scales[0] == pytest.approx(scale, rel=1e-8)
            assert large.offsets[0] == pytest.approx(plain.offsets[0] - 5 * scale, rel=1e-7)
        else:
            assert large.scales[0] == 0.01

    def test_the_order_of_scores_is_never_turned_around(self):
        logits, targets, _ = observations(n_classes=1)
        found = fit_platt_scaling(-logits, targets)
        assert found.scales[0] == 0.01
        # The offset is still the best there is: as many are expected as there are.
        assert sigmoid(found.apply(-logits)).sum() == pytest.approx(targets.sum(), abs=1)

    def test_scores_that_are_all_alike_become_the_share_of_positives(self):
        found = fit_platt_scaling(np.full((1000, 1), 40.0), np.arange(1000)[:, None] < 250)
        assert sigmoid(found.apply(np.array([40.0])))[0] == pytest.approx(0.25, abs=1e-3)

    def test_applied_to_logits_of_any_shape(self):
        scaling = PlattScaling(np.array([2.0, 1.0]), np.array([0.0, -1.0]))
        logits = np.ones((3, 5, 2), np.float32)
        assert scaling.apply(logits).dtype == np.float32
        np.testing.assert_array_equal(scaling.apply(logits)[1, 2], [2, 0])
