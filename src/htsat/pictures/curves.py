"""How training runs went: their loss, and how well held-out clips were heard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from htsat.pictures.canvas import HUES, picture
from htsat.training.history import EvaluationPoint, History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Score = Callable[[EvaluationPoint], float | None]

_PANEL_INCHES = 3.4


def draw_curves(path: Path, runs: Sequence[History]) -> None:
    """Draw the curves of one run or several, each in its own colour."""
    panels = _score_panels(runs)
    width = _PANEL_INCHES * (1 + len(panels)) + 0.6
    with picture(path, width, _PANEL_INCHES + 0.18 * len(runs)) as figure:
        left, *others = figure.subplots(1, 1 + len(panels), squeeze=False, sharex=True)[0]
        _draw_losses(left, runs)
        for axes, (name, score) in zip(others, panels.items(), strict=True):
            _draw_scores(axes, runs, name, score)
        handles, names = left.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower left", fontsize=8)


def _score_panels(runs: Sequence[History]) -> dict[str, Score]:
    """What there is to be drawn of held-out clips."""
    points = [point for run in runs for point in run.evaluations]
    panels: dict[str, Score] = {}
    if any(point.accuracy is not None for point in points):
        panels["accuracy"] = lambda point: point.accuracy
    if any(point.mean_average_precision is not None for point in points):
        panels["mAP"] = lambda point: point.mean_average_precision
    return panels


def _draw_losses(axes: Axes, runs: Sequence[History]) -> None:
    for number, run in enumerate(runs):
        epochs, losses = [point.epoch for point in run.steps], [point.loss for point in run.steps]
        axes.plot(epochs, losses, color=_hue(number), lw=0.9, label=_name(run))
    _finish(axes, "training loss")


def _draw_scores(axes: Axes, runs: Sequence[History], name: str, score_of: Score) -> None:
    for number, run in enumerate(runs):
        scored = [(point.epoch, score_of(point)) for point in run.evaluations]
        curve = np.array([pair for pair in scored if pair[1] is not None]).reshape(-1, 2)
        axes.plot(*curve.T, color=_hue(number), lw=1.2, marker="o", ms=2.5)
    axes.set_ylim(0, 1)
    _finish(axes, f"{name} on held-out clips")


def _finish(axes: Axes, title: str) -> None:
    axes.set(xlabel="epoch", title=title)
    axes.set_xlim(left=0)
    axes.grid()


def _hue(number: int) -> str:
    return HUES[number % len(HUES)]


def _name(run: History) -> str:
    """The folder, and where the run ended."""
    if not run.evaluations:
        return run.folder.name
    last = run.evaluations[-1]
    figures = {"accuracy": last.accuracy, "mAP": last.mean_average_precision}
    shown = ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if value is not None)
    return f"{run.folder.name}: {shown or 'no figures'} after {last.epoch:g} epochs"
