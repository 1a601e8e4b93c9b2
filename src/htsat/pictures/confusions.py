"""Which classes are taken for which: the confusion matrix of an evaluation.

K classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from htsat.evaluation.report import Report
from htsat.pictures.canvas import FAINT, picture, short_names, write_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Counts = NDArray[np.intp]

_MAX_CLASSES = 100
_INCHES_PER_CLASS = 0.19
_MARGIN_INCHES = 1.3
_INCHES_PER_CHARACTER = 0.06


def draw_confusions(path: Path, report: Report) -> None:
    """Draw the confusion matrix of a multi-class model.

    Colour is the share of a class's clips, blue where they were heard rightly and orange where not; the
    numbers are clips. Classes that are taken for each other stand side by side. Of more than 100 classes
    those with the most confusions are shown.
    """
    matrix = confusion_counts(report)
    shown = side_by_side(matrix, _most_confused(matrix))
    names = short_names(report.per_class[index].label for index in shown)
    margin = _MARGIN_INCHES + _INCHES_PER_CHARACTER * max(map(len, names))
    size = max(4.5, len(shown) * _INCHES_PER_CLASS + margin)
    with picture(path, size, size) as figure:
        axes = figure.add_subplot()
        n_clips = matrix.sum(axis=1)
        _draw_cells(axes, matrix[np.ix_(shown, shown)], n_clips[shown])
        _write_names(axes, names, _recalls(matrix)[shown])
        write_title(figure, report.title, _about(report, len(shown)))


def confusion_counts(report: Report) -> Counts:
    """Clips by true class (rows) and heard class (columns). Shape: `(K, K)`."""
    place = {entry.label: index for index, entry in enumerate(report.per_class)}
    matrix = np.zeros((len(place), len(place)), np.intp)
    for confusion in report.confusions:
        matrix[place[confusion.true], place[confusion.heard]] = confusion.n_clips
    n_positives = np.array([entry.n_positives for entry in report.per_class])
    np.fill_diagonal(matrix, n_positives - matrix.sum(axis=1))
    return matrix


def side_by_side(matrix: Counts, classes: list[int]) -> list[int]:
    """An order in which classes that are taken for each other are neighbours.

    Chains of classes grow from single ones: pair after pair, the most confused first, is joined where both
    stand at the end of a chain. Longer chains come first.
    """
    chains = {index: [index] for index in classes}
    for one, other in _pairs(matrix, classes):
        left, right = chains[one], chains[other]
        if left is right or one not in (left[0], left[-1]) or other not in (right[0], right[-1]):
            continue
        joined = (left if left[-1] == one else left[::-1]) + (right if right[0] == other else right[::-1])
        chains.update(dict.fromkeys(joined, joined))
    distinct = {id(chain): chain for chain in chains.values()}.values()
    return [index for chain in sorted(distinct, key=len, reverse=True) for index in chain]


def _pairs(matrix: Counts, classes: list[int]) -> list[tuple[int, int]]:
    """Pairs of classes that are confused, the most confused first."""
    both = matrix + matrix.T
    pairs = [(one, other) for one in classes for other in classes if one < other and both[one, other]]
    return sorted(pairs, key=lambda pair: -both[pair])


def _most_confused(matrix: Counts) -> list[int]:
    """The classes to be shown, in their own order."""
    n_wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    return sorted(np.argsort(-n_wrong, kind="stable")[:_MAX_CLASSES].tolist())


def _recalls(matrix: Counts) -> NDArray[np.float64]:
    """Share of each class's clips that are heard rightly, NaN where there are none."""
    n_clips = matrix.sum(axis=1)
    recalls = np.full(len(matrix), np.nan)
    np.divide(matrix.diagonal(), n_clips, out=recalls, where=n_clips > 0)
    return recalls


def _draw_cells(axes: Axes, matrix: Counts, n_clips: Counts) -> None:
    shares = matrix / np.maximum(n_clips, 1)[:, None]
    is_right = np.eye(len(matrix), dtype=bool)
    # The root lets a single clip be seen beside a full diagonal.
    for hidden, colours in ((~is_right, "Blues"), (is_right, "Oranges")):
        visible = np.ma.array(np.sqrt(shares), mask=hidden | (matrix == 0))
        axes.imshow(visible, cmap=colours, vmin=-0.1, vmax=1.25)
    for row, column in np.argwhere(matrix):
        colour = "white" if shares[row, column] > 0.5 else "black"
        count = str(matrix[row, column])
        cell = axes.text(column, row, count, ha="center", va="center", fontsize=6, color=colour)
        cell.set_in_layout(False)  # lies inside: to measure thousands would take long


def _write_names(axes: Axes, names: list[str], recalls: NDArray[np.float64]) -> None:
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90, fontsize=7)
    axes.set_yticks(places, names, fontsize=7)
    axes.set(xlabel="heard", ylabel="true")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    edges = np.arange(len(names) + 1) - 0.5
    axes.hlines(edges, -0.5, len(names) - 0.5, color="#e9ecef", lw=0.5)
    axes.vlines(edges, -0.5, len(names) - 0.5, color="#e9ecef", lw=0.5)
    _write_beside(axes, -0.5, "recall", "bottom")
    for place, recall in enumerate(recalls):
        if np.isfinite(recall):
            _write_beside(axes, place, f"{recall:.0%}", "center")


def _write_beside(axes: Axes, row: float, text: str, vertical: str) -> None:
    """Write at the right of the matrix, at the height of a row."""
    axes.annotate(
        text,
        (1, row),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va=vertical,
        fontsize=6.5,
        color=FAINT,
    )


def _about(report: Report, n_shown: int) -> str:
    n_classes = len(report.per_class)
    which = f", the {n_shown} most confused of {n_classes} classes" if n_shown < n_classes else ""
    accuracy = f"accuracy {report.summary.accuracy:.1%} of {report.n_clips} clips"
    return f"{accuracy}{which}; numbers are clips, wrong ones orange"
