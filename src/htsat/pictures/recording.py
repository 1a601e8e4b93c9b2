"""A recording of any length as a picture: rows of spectrogram with lanes of scores and events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from htsat.pictures.canvas import picture, short_names, write_title
from htsat.pictures.lanes import (
    BAR,
    HEARD_AT,
    TOP,
    TRUE_AT,
    ClipEvents,
    Loudness,
    Span,
    classes_of,
    draw_events,
    draw_legend,
    draw_scores,
    draw_sound,
    finish_lane,
    longest,
)
from htsat.pictures.rows import Rows, clock, step_of
from htsat.pictures.score_curves import ScoreCurves
from htsat.pictures.spectrogram import Spectrogram, between

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SOUND_INCHES = 1.9
_ROW_SOUND_INCHES = 1.0
_LANE_INCHES = 0.66
_BARS_INCHES = 0.2
_MARGIN_INCHES = 1.15
_ROW_MARGIN_INCHES = 0.3


class Heard(NamedTuple):
    """What is drawn of a recording, or of a part of it that begins at `start_s`.

    The spectrogram counts from there; curves and events have the times of the whole recording. `thresholds`
    are one per class, in the order of the labels of the curves.
    """

    sound: Spectrogram
    curves: ScoreCurves
    events: ClipEvents
    thresholds: Sequence[float]
    start_s: float = 0.0


class RowPlace(NamedTuple):
    """Where a row lies in the finished picture, as shares of its width and height from top left."""

    span: Span
    left: float
    right: float
    top: float
    bottom: float


class _Row(NamedTuple):
    """What one row shows: its time and the classes in it."""

    span: Span
    labels: list[str]


class _Look(NamedTuple):
    """How the spectrogram is drawn, and whether lanes show scores."""

    loudness: Loudness
    sound_inches: float
    shows_scores: bool


def draw_recording(path: Path, title: str, heard: Heard, shows_scores: bool | None = None) -> list[RowPlace]:
    """Draw a recording in rows; `shows_scores` None means where one row holds it all.

    Colours are those of `draw_clip`. A row has lanes for the classes that are true or heard in it, of more
    than 12 for those that sound longest.
    """
    rows = Rows.of(heard.sound.duration_s)
    with_scores = rows.n_rows == 1 if shows_scores is None else shows_scores
    return draw_rows(path, title, heard, rows, shows_scores=with_scores)


def draw_rows(path: Path, title: str, heard: Heard, rows: Rows, *, shows_scores: bool) -> list[RowPlace]:
    """Draw a recording in these rows; returns where they lie in the picture."""
    labels = classes_of(heard.events)
    shown = [_row(heard, rows, number, labels) for number in range(rows.n_rows)]
    look = _Look(
        Loudness.of(heard.sound), _SOUND_INCHES if rows.n_rows == 1 else _ROW_SOUND_INCHES, shows_scores
    )
    ratios = [_ratios(row, heard.events, look) for row in shown]
    margins = _MARGIN_INCHES + _ROW_MARGIN_INCHES * (rows.n_rows - 1)
    with picture(path, _width(rows), margins + sum(map(sum, ratios))) as figure:
        panels = _panels(figure, ratios)
        for row, axes in zip(shown, panels, strict=True):
            _draw_row(axes, row, heard, look)
            _share_time(axes, row.span, rows)
        draw_legend(figure, knows_truth=heard.events.truth is not None, shows_scores=shows_scores)
        write_title(figure, title, *_about(heard, shown))
    return [_place(row.span, axes) for row, axes in zip(shown, panels, strict=True)]


def _row(heard: Heard, rows: Rows, number: int, labels: list[str]) -> _Row:
    start_s = heard.start_s + number * rows.row_s
    span = Span(start_s, min(start_s + rows.row_s, heard.start_s + heard.sound.duration_s))
    events = heard.events.between(*span)
    there = set(classes_of(events))
    return _Row(span, longest(events, [label for label in labels if label in there]))


def _ratios(row: _Row, events: ClipEvents, look: _Look) -> list[float]:
    """Heights of the panels of a row, in inches: a lane for each class, or one for the bars of all."""
    if look.shows_scores:
        return [look.sound_inches, *[_LANE_INCHES] * len(row.labels)]
    height = _BARS_INCHES * _bars_height(events) / BAR
    return [look.sound_inches, *[height * len(row.labels)] * bool(row.labels)]


def _bars_height(events: ClipEvents) -> float:
    """Of the lane of a class without scores, in its own units."""
    return (TRUE_AT if events.truth is None else TOP) - HEARD_AT + 0.06


def _panels(figure: Figure, ratios: list[list[float]]) -> list[list[Axes]]:
    grid = figure.add_gridspec(
        sum(map(len, ratios)), 1, height_ratios=[ratio for row in ratios for ratio in row], hspace=0.02
    )
    places = iter(range(sum(map(len, ratios))))
    return [[figure.add_subplot(grid[next(places)]) for _ in row] for row in ratios]


def _draw_row(panels: list[Axes], row: _Row, heard: Heard, look: _Look) -> None:
    start_s, stop_s = row.span.start_s - heard.start_s, row.span.stop_s - heard.start_s
    part = between(heard.sound, start_s, stop_s)
    draw_sound(panels[0], part, row.span.start_s, look.loudness, look.sound_inches)
    if not look.shows_scores:
        if row.labels:
            _draw_bars(panels[1], row, heard.events)
        return
    for axes, label in zip(panels[1:], row.labels, strict=True):
        if label in heard.curves.labels:
            threshold = heard.thresholds[heard.curves.labels.index(label)]
            draw_scores(axes, heard.curves, label, threshold, row.span)
        draw_events(axes, heard.events, label, row.span.length_s)
        finish_lane(axes, label, top=TRUE_AT if heard.events.truth is None else TOP)


def _draw_bars(axes: Axes, row: _Row, events: ClipEvents) -> None:
    """The bars of all classes of a row, the first class at the top."""
    height = _bars_height(events)
    n_lanes = len(row.labels)
    for lane, label in enumerate(row.labels):
        draw_events(axes, events, label, row.span.length_s, (n_lanes - 1 - lane) * height - HEARD_AT + 0.05)
    middles = [(n_lanes - 0.5 - lane) * height for lane in range(n_lanes)]
    axes.set_yticks(middles, short_names(row.labels), fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(0, n_lanes * height + 0.05)
    axes.spines["left"].set_visible(False)


def _share_time(panels: list[Axes], span: Span, rows: Rows) -> None:
    """Give all panels of a row its time, which is written below the last one."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    is_long = span.start_s >= 60 or rows.n_rows > 1
    for axes in panels:
        axes.set_xlim(span.start_s, span.start_s + rows.row_s)
        axes.grid(axis="x", visible=axes is not panels[0])
        axes.tick_params(axis="x", labelbottom=axes is panels[-1], length=3 if axes is panels[-1] else 0)
        axes.xaxis.set_major_locator(MultipleLocator(step_of(rows.row_s)))
        if is_long:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda time_s, _: clock(time_s)))
    if not is_long:
        panels[-1].set_xlabel("seconds")


def _width(rows: Rows) -> float:
    """Inches: wider for long recordings, within what a screen shows."""
    return 16.0 if rows.n_rows > 1 else min(max(9.0, 7.5 + 0.1 * rows.row_s), 16.0)


def _about(heard: Heard, shown: Sequence[_Row]) -> list[str]:
    labels = classes_of(heard.events)
    if not labels:
        return [
            "nothing is heard, and nothing known to be true"
            if heard.events.truth is not None
            else "nothing is heard"
        ]
    if len(shown) > 1:
        lengths = f"{len(shown)} rows of {clock(shown[0].span.length_s)}"
        return [f"{lengths}, each with at most the 12 classes that sound longest in it"]
    n_shown = len(shown[0].labels)
    return [f"the {n_shown} of {len(labels)} classes that sound longest"] if n_shown < len(labels) else []


def _place(span: Span, panels: list[Axes]) -> RowPlace:
    first, last = panels[0].get_position(), panels[-1].get_position()
    return RowPlace(span, first.x0, first.x1, 1 - first.y1, 1 - last.y0)
