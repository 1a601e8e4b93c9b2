"""Charts for pages, as SVG in the colours of the page: how often each class is heard, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from htsat.reports.page import text

_LEFT, _RIGHT, _TOP, _ROW, _FOOT = 190, 66, 6, 21, 26
_WIDTH = 1060
_NAME_CHARACTERS = 26
_LABEL_PIXELS = 150
_FAINTEST = 0.12

LOOK = """
.chart { overflow-x: auto; } .chart svg { min-width: 46rem; width: 100%; height: auto; display: block; }
.chart text { fill: var(--ink); font: 12px system-ui, sans-serif; } .chart text.faint { fill: var(--faint); }
.chart .cell { fill: var(--heard); }
.chart .row { fill: var(--panel); } .chart .effort { fill: var(--faint); }
"""


class HeatRow(NamedTuple):
    """A name, a number for each column, and what is written at the right."""

    name: str
    counts: Sequence[float]
    total: str


class Columns(NamedTuple):
    """The columns of a chart: a name for each, the ones to write below it, and the unit of its numbers."""

    names: Sequence[str]
    written: Sequence[str]
    unit: str


def heat_map(rows: Sequence[HeatRow], columns: Columns, effort: HeatRow | None = None) -> str:
    """Rows of cells that are the darker, the larger their number is beside the largest of the row.

    `effort` is a row of bars below: how much there was to be heard.
    """
    width = (_WIDTH - _LEFT - _RIGHT) / len(columns.names)
    lines = [_row(row, columns, number, width) for number, row in enumerate(rows)]
    bottom = _TOP + len(rows) * _ROW
    if effort is not None:
        lines.append(_effort(effort, columns, bottom, width))
        bottom += _ROW + 4
    lines.append(_names_below(columns.written, bottom, width))
    height = bottom + _FOOT
    return f'<div class="chart"><svg viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(lines)}</svg></div>'


def _row(row: HeatRow, columns: Columns, number: int, width: float) -> str:
    top = _TOP + number * _ROW
    most = max(row.counts, default=0) or 1
    cells = "".join(
        f'<rect class="cell" x="{_LEFT + place * width:.1f}" y="{top + 1}" width="{max(width - 1, 0.8):.1f}" '
        f'height="{_ROW - 2}" fill-opacity="{_FAINTEST + (1 - _FAINTEST) * count / most:.2f}">'
        f"<title>{text(row.name)}, {text(name)}: {count:,.0f} {columns.unit}</title></rect>"
        for place, (name, count) in enumerate(zip(columns.names, row.counts, strict=True))
        if count
    )
    return f"{_frame(row, top)}{cells}"


def _frame(row: HeatRow, top: float) -> str:
    """The empty row, its name and its total."""
    middle = top + _ROW / 2 + 4
    return (
        f'<rect class="row" x="{_LEFT}" y="{top + 1}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_ROW - 2}"/>'
        f'<text x="{_LEFT - 10}" y="{middle}" text-anchor="end">{text(_short(row.name))}'
        f"<title>{text(row.name)}</title></text>"
        f'<text class="faint" x="{_WIDTH - _RIGHT + 8}" y="{middle}">{text(row.total)}</text>'
    )


def _effort(row: HeatRow, columns: Columns, top: float, width: float) -> str:
    most = max(row.counts, default=0) or 1
    highest = _ROW - 3
    bars = "".join(
        f'<rect class="effort" x="{_LEFT + place * width:.1f}" '
        f'y="{top + 2 + highest * (1 - count / most):.1f}" '
        f'width="{max(width - 1, 0.8):.1f}" height="{highest * count / most:.1f}">'
        f"<title>{text(name)}: {count:,.0f} {text(row.name)}</title></rect>"
        for place, (name, count) in enumerate(zip(columns.names, row.counts, strict=True))
        if count
    )
    return (
        f'{bars}<text class="faint" x="{_LEFT - 10}" y="{top + _ROW / 2 + 4}" text-anchor="end">'
        f"{text(row.name)}</text>"
        f'<text class="faint" x="{_WIDTH - _RIGHT + 8}" y="{top + _ROW / 2 + 4}">{text(row.total)}</text>'
    )


def _names_below(names: Sequence[str], top: float, width: float) -> str:
    """As many names of columns as have room."""
    step = max(1, round(_LABEL_PIXELS / width)) if len(names) != 24 or len(names[0]) > 2 else 1
    return "".join(
        f'<text class="faint" x="{_LEFT + place * width:.1f}" y="{top + 16}">'
        f"{text(_short(names[place]))}</text>"
        for place in range(0, len(names), step)
    )


def _short(name: str) -> str:
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1]}…"
