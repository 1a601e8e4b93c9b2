"""Whether a model is as sure as it is right, before and after calibration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from htsat.metrics.calibration import N_BINS, Bins, CalibrationReport
from htsat.pictures.canvas import FAINT, HUES, picture, short_names, write_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_CLASSES = 18
_HEIGHT_INCHES = 4.9
_BEFORE, _AFTER = HUES[1], HUES[0]
_GUIDE = "#ced4da"


def draw_reliability(
    path: Path, title: str, before: CalibrationReport, after: CalibrationReport, labels: Sequence[str]
) -> None:
    """Draw shares that are true over probabilities, how many there are of each, and the error by class.

    Of more than 18 classes those with the largest errors before calibration are shown; classes that are never
    heard are not.
    """
    heard = np.flatnonzero(np.isfinite(before.class_errors) & np.isfinite(after.class_errors))
    worst = heard[np.argsort(-before.class_errors[heard], kind="stable")][:_MAX_CLASSES]
    with picture(path, 8.6, _HEIGHT_INCHES) as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=(3.6, 3), height_ratios=(3.4, 1))
        upper = figure.add_subplot(grid[0, 0])
        _draw_shares(upper, before, after)
        _draw_counts(figure.add_subplot(grid[1, 0], sharex=upper), before, after)
        names = short_names(labels[index] for index in worst)
        right = figure.add_subplot(grid[:, 1], title=_about(len(worst), len(heard)))
        _draw_classes(right, names, before.class_errors[worst], after.class_errors[worst])
        write_title(figure, title)


def _draw_shares(axes: Axes, before: CalibrationReport, after: CalibrationReport) -> None:
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=(0, (4, 3)))
    for report, hue, when in ((before, _BEFORE, "before"), (after, _AFTER, "after")):
        bins = report.equal_width.bins
        name = f"{when}: {_figures(report)}"
        axes.plot(
            bins.means, bins.shares, color=hue, lw=1.4, marker="o", ms=4, mec="white", mew=0.6, label=name
        )
    for place, words in (((0.97, 0.06), "surer than right"), ((0.03, 0.66), "less sure than right")):
        side = "right" if place[0] > 0.5 else "left"
        axes.text(*place, words, ha=side, fontsize=7.5, color=FAINT, style="italic")
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that is true")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, borderaxespad=0.2, borderpad=0)
    axes.grid()


def _figures(report: CalibrationReport) -> str:
    error, brier = report.equal_counts.expected_calibration_error, report.equal_counts.brier.score
    return f"calibration error {error:.4f}, Brier {brier:.4f}"


def _draw_counts(axes: Axes, before: CalibrationReport, after: CalibrationReport) -> None:
    """How often each probability is given, on a logarithmic scale: most are small."""
    edges = np.linspace(0, 1, N_BINS + 1)
    for report, hue in ((before, _BEFORE), (after, _AFTER)):
        shares = histogram(report.equal_width.bins)
        axes.stairs(shares, edges, color=hue, lw=1.2)
        axes.stairs(shares, edges, color=hue, fill=True, alpha=0.12)
    axes.set(yscale="log", xlim=(0, 1), xlabel="probability", ylabel="share of all")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.grid()


def histogram(bins: Bins) -> NDArray[np.float64]:
    """Share of all in each of the bins of equal width, also the empty ones."""
    numbers = np.searchsorted(np.linspace(0, 1, N_BINS + 1)[1:-1], bins.means)
    shares = np.bincount(numbers, bins.weights / bins.weights.sum(), minlength=N_BINS)
    return shares.astype(np.float64)


def _draw_classes(
    axes: Axes, names: list[str], before: NDArray[np.float64], after: NDArray[np.float64]
) -> None:
    """From where to where the error of each class went."""
    rows = np.arange(len(names))
    axes.hlines(rows, before, after, color=_GUIDE, lw=2.5)
    for errors, hue in ((before, _BEFORE), (after, _AFTER)):
        axes.scatter(errors, rows, s=26, color=hue, edgecolors="white", linewidths=0.6, zorder=3)
    axes.set_yticks(rows, names, fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(len(names) - 0.4, -0.6), xlabel="calibration error of the class")
    axes.set_xlim(left=0)
    axes.grid(axis="x")


def _about(n_shown: int, n_heard: int) -> str:
    if n_shown < n_heard:
        return f"the {n_shown} least calibrated of {n_heard} classes"
    return "1 class" if n_heard == 1 else f"{n_heard} classes"
