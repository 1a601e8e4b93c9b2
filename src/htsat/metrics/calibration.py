"""Whether probabilities mean what they say, and how to make them: of what is called 30 % sure, 30 % is true.

Weights are numbers of observations: clips that stand for several, seconds of frames, 0 for what nobody has
labelled.

N clips or frames, K classes, P probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.metrics.ranking import Doubles, Floats

Binning = Literal["equal_counts", "equal_width"]
"""How probabilities are put into bins: equally many in each, or each equally wide."""

N_BINS = 15

_Indices = NDArray[np.intp]


class Bins(NamedTuple):
    """Probabilities put together, from the lowest; bins without any are left out. Shape: one per bin."""

    means: Doubles
    """Mean probability."""
    shares: Doubles
    """Share of them that are true."""
    weights: Doubles
    """How many there are."""


class BrierScore(NamedTuple):
    """Mean squared difference between probability and truth, and its parts over the bins.

    `score = reliability - resolution + uncertainty + within_bins` (Murphy 1973; the last term, for bins whose
    probabilities differ, after Stephenson, Coelho and Jolliffe 2008):

    - `reliability`: squared distance of probabilities and shares, 0 at best;
    - `resolution`: how much the shares differ between the bins, the more the better;
    - `uncertainty`: variance of the truth, which no model changes;
    - `within_bins`: variance of the probabilities in a bin less twice their covariance with the truth.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


class Reliability(NamedTuple):
    """How far probabilities are from the truth: by bin, and over all."""

    bins: Bins
    expected_calibration_error: float
    """Mean distance of the mean probability and the share that is true, over the bins."""
    brier: BrierScore


def reliability(
    probabilities: Floats,
    targets: Floats,
    weights: Floats | None = None,
    binning: Binning = "equal_counts",
    n_bins: int = N_BINS,
) -> Reliability:
    """The reliability of any number of probabilities, of one class or several.

    Of equal counts, probabilities that are equal stay together. Of equal width, an edge belongs to the bin
    below it. NaN without any weight.

    Shape: `probabilities` and `targets` (0 or 1) alike; `weights` may be broadcast to them, 1 if None.
    """
    chances = probabilities.astype(np.float64).ravel()
    truth = targets.astype(np.float64).ravel()
    counts = _counts(weights, probabilities.shape).ravel()
    chosen = counts > 0
    chances, truth, counts = chances[chosen], truth[chosen], counts[chosen]
    assign = _equal_counts if binning == "equal_counts" else _equal_width
    numbers = assign(chances, counts, n_bins)
    bins = _bins(numbers, chances, truth, counts)
    error = _mean(np.abs(bins.means - bins.shares), bins.weights)
    return Reliability(bins, error, _brier(numbers, chances, truth, counts))


def class_calibration_errors(
    probabilities: Floats, targets: Floats, weights: Floats | None = None, n_bins: int = N_BINS
) -> Doubles:
    """Expected calibration error of every class, over bins of equal counts; NaN without weight.

    Shape: `probabilities` and `targets` `(N, K)`, `weights` broadcast to them -> `(K,)`.
    """
    counts = _counts(weights, probabilities.shape)
    columns = zip(probabilities.T, targets.T, counts.T, strict=True)
    errors = [reliability(*column, n_bins=n_bins).expected_calibration_error for column in columns]
    return np.array(errors, np.float64)


class CalibrationReport(NamedTuple):
    """How well the probabilities of a model are calibrated, over all classes and for each."""

    equal_counts: Reliability
    equal_width: Reliability
    class_errors: Doubles


def calibration_report(
    probabilities: Floats, targets: Floats, weights: Floats | None = None
) -> CalibrationReport:
    """All there is to say about the calibration of a model; `class_errors` are NaN for classes never heard.

    Shape: `probabilities` and `targets` `(N, K)`, `weights` broadcast to them.
    """
    n_positives = (_counts(weights, targets.shape) * (targets > 0)).sum(axis=0)
    errors = class_calibration_errors(probabilities, targets, weights)
    return CalibrationReport(
        reliability(probabilities, targets, weights, "equal_counts"),
        reliability(probabilities, targets, weights, "equal_width"),
        np.where(n_positives > 0, errors, np.nan),
    )


def _counts(weights: Floats | None, shape: tuple[int, ...]) -> Doubles:
    return np.broadcast_to(np.float64(1) if weights is None else weights.astype(np.float64), shape)


def _mean(values: Doubles, weights: Doubles) -> float:
    total = weights.sum()
    return float(weights @ values / total) if total > 0 else float("nan")


def _equal_width(chances: Doubles, _counts: Doubles, n_bins: int) -> _Indices:
    """The bin of each probability. Shape: `(P,)`."""
    return np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], chances)


def _equal_counts(chances: Doubles, counts: Doubles, n_bins: int) -> _Indices:
    """The bin of each probability: by the share of all that lies below its middle. Shape: `(P,)`."""
    _, values = np.unique(chances, return_inverse=True)
    masses = np.bincount(values, counts)
    middles = (np.cumsum(masses) - masses / 2) / max(masses.sum(), 1e-300)
    numbers: _Indices = np.minimum((n_bins * middles).astype(np.intp), n_bins - 1)[values]
    return numbers


def _bins(numbers: _Indices, chances: Doubles, truth: Doubles, counts: Doubles) -> Bins:
    weights = np.bincount(numbers, counts).astype(np.float64)
    filled = weights > 0
    sums = (np.bincount(numbers, counts * values)[filled] for values in (chances, truth))
    means, shares = (total / weights[filled] for total in sums)
    return Bins(means, shares, weights[filled])


def _brier(numbers: _Indices, chances: Doubles, truth: Doubles, counts: Doubles) -> BrierScore:
    bins = _bins(numbers, chances, truth, counts)
    rank = np.cumsum(np.bincount(numbers) > 0) - 1
    own = rank[numbers]
    off_chance, off_truth = chances - bins.means[own], truth - bins.shares[own]
    share = _mean(truth, counts)
    return BrierScore(
        score=_mean((chances - truth) ** 2, counts),
        reliability=_mean((bins.means - bins.shares) ** 2, bins.weights),
        resolution=_mean((bins.shares - share) ** 2, bins.weights),
        uncertainty=share * (1 - share),
        within_bins=_mean(off_chance * (off_chance - 2 * off_truth), counts),
    )


_LEAST_SCALE = 0.01
"""Of a class whose scores say nothing, or the contrary: calibration keeps the order of scores."""

_MAX_ITERATIONS = 100
_SMALL_GAIN = 1e-9
"""A step that promises less than this share of the loss is the last; Newton's method squares what is left."""


@dataclass(frozen=True, eq=False)
class PlattScaling:
    """Calibrated logits of a class are `scale * logit + offset`. Shape: both `(K,)`."""

    scales: Doubles
    offsets: Doubles

    def apply(self, logits: Floats) -> NDArray[np.float32]:
        """Calibrated logits. Shape: `(..., K)` in and out."""
        return (logits * self.scales + self.offsets).astype(np.float32)


def fit_platt_scaling(logits: Floats, targets: Floats, weights: Floats | None = None) -> PlattScaling:
    """The scale and offset of every class under which the targets are most probable (Platt 1999).

    For multi-label models, whose classes are independent. As in the paper, of n+ positives and n- negatives
    the model is asked for (n+ + 1) / (n+ + 2) and 1 / (n- + 2) rather than 1 and 0: with few positives, or
    scores that divide the classes fully, the fit stays finite. Classes without positives or without negatives
    keep scale 1 and offset 0. Scales are at least 0.01.

    Shape: `logits` (finite) and `targets` (0 or 1) `(N, K)`, `weights` broadcast to them.
    """
    counts = _counts(weights, logits.shape)
    columns = zip(logits.astype(np.float64).T, targets.T > 0, counts.T, strict=True)
    scales, offsets = np.array([_fit_class(*column) for column in columns]).reshape(-1, 2).T
    return PlattScaling(scales, offsets)


def _fit_class(logits: Doubles, is_true: NDArray[np.bool_], counts: Doubles) -> tuple[float, float]:
    """Scale and offset of one class. Shape: all `(N,)`."""
    logits, is_true, counts = logits[counts > 0], is_true[counts > 0], counts[counts > 0]
    n_positives, n_negatives = float(counts[is_true].sum()), float(counts[~is_true].sum())
    if not n_positives or not n_negatives:
        return 1.0, 0.0
    wanted = np.where(is_true, (n_positives + 1) / (n_positives + 2), 1 / (n_negatives + 2))
    middle = _mean(logits, counts)
    spread = float(np.sqrt(_mean((logits - middle) ** 2, counts)))
    if spread == 0:
        share = _mean(wanted, counts)
        return 1.0, float(np.log(share / (1 - share))) - middle
    columns = np.stack([(logits - middle) / spread, np.ones_like(logits)], axis=1)
    slope, level = _fit(columns, wanted, counts, np.zeros_like(logits))
    if slope / spread < _LEAST_SCALE:
        return _LEAST_SCALE, _fit(columns[:, 1:], wanted, counts, _LEAST_SCALE * logits)[0]
    return slope / spread, level - slope * middle / spread


def _fit(columns: Doubles, wanted: Doubles, counts: Doubles, fixed: Doubles) -> list[float]:
    """The coefficients of logistic regression, by Newton's method with steps that never climb.

    Shape: `columns` `(N, C)`, the rest `(N,)`; `fixed` is a part of the logits with no coefficient.
    """
    coefficients = np.zeros(columns.shape[1])
    loss = _surprise(fixed, wanted, counts)
    for _ in range(_MAX_ITERATIONS):
        chances = 1 / (1 + np.exp(-np.clip(fixed + columns @ coefficients, -700, 700)))
        gradient = columns.T @ (counts * (chances - wanted))
        curvature = (columns * (counts * chances * (1 - chances))[:, None]).T @ columns
        # Where all probabilities are 0 or 1 there is no curvature: no step then, where `solve` would fail.
        step = np.linalg.lstsq(curvature, gradient)[0]
        if gradient @ step <= _SMALL_GAIN * loss:  # beyond it lies rounding
            coefficients -= step
            break
        while (after := _surprise(fixed + columns @ (coefficients - step), wanted, counts)) > loss:
            step /= 2
        coefficients, loss = coefficients - step, after
    return [float(value) for value in coefficients]


def _surprise(logits: Doubles, wanted: Doubles, counts: Doubles) -> float:
    """Cross-entropy in nats, summed."""
    return float(counts @ (np.logaddexp(0, logits) - wanted * logits))
