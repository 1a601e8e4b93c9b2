"""How well each class is heard, the hardest first."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from htsat.evaluation.report import ClassReport, Report
from htsat.pictures.canvas import FAINT, HUES, INK, picture, short_names, write_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_CLASSES = 30
_MIN_ROWS = 2
"""Room for the axes where clips have few classes, or none."""
_INCHES_PER_CLASS = 0.2


def draw_classes(path: Path, report: Report) -> None:
    """Draw the average precision of the 30 hardest classes, with the number of clips that have each."""
    heard = [entry for entry in report.per_class if entry.n_positives]
    hardest = sorted(heard, key=lambda entry: entry.average_precision)[:_MAX_CLASSES]
    n_rows = max(len(hardest), _MIN_ROWS)
    with picture(path, 6.5, n_rows * _INCHES_PER_CLASS + 1.3) as figure:
        axes = figure.add_subplot()
        _draw_bars(axes, hardest)
        _draw_mean(axes, report.summary.mean_average_precision)
        axes.set(xlim=(0, 1), ylim=(n_rows - 0.4, -0.6), xlabel="average precision")
        axes.grid(axis="x")
        write_title(figure, report.title, _about(report, len(hardest)))


def _draw_bars(axes: Axes, entries: list[ClassReport]) -> None:
    """A bar for each class, with its figures at the right."""
    axes.barh(range(len(entries)), [entry.average_precision for entry in entries], height=0.72, color=HUES[0])
    axes.set_yticks(range(len(entries)), short_names(entry.label for entry in entries), fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    _write_row(axes, -0.95, "AP", "clips")
    for place, entry in enumerate(entries):
        _write_row(axes, place, f"{entry.average_precision:.2f}", str(entry.n_positives))


def _write_row(axes: Axes, place: float, precision: str, n_clips: str) -> None:
    for right, text in ((1.07, precision), (1.15, n_clips)):
        axes.text(right, place, text, ha="right", va="center", fontsize=7, color=FAINT)


def _draw_mean(axes: Axes, mean: float) -> None:
    if math.isnan(mean):  # no clip has any class
        return
    axes.axvline(mean, color=INK, lw=1, ls=(0, (4, 3)))
    axes.text(mean, -0.95, f"mAP {mean:.3f} ", ha="right", va="center", fontsize=7.5)


def _about(report: Report, n_shown: int) -> str:
    n_classes = len(report.per_class) - report.n_classes_without_positives
    return f"the {n_shown} hardest of {n_classes} classes" if n_shown < n_classes else f"{n_classes} classes"
