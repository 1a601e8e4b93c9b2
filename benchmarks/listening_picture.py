"""The picture of `listening_speed.py`: a bar for every contestant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from listening_contestants import Contestant
from machine import processor

from htsat.pictures.canvas import FAINT, HUES, INK, picture, write_title

if TYPE_CHECKING:
    from listening_speed import Result
    from matplotlib.axes import Axes

_INCHES_PER_BAR = 0.2


def draw(path: Path, results: list[Result]) -> None:
    """Draw milliseconds per clip, a panel for each size of batch, the fastest first."""
    batch_sizes = list(dict.fromkeys(one.batch_size for one in results))
    panels = [[one for one in results if one.batch_size == size] for size in batch_sizes]
    colours = _colours(results)
    with picture(path, 4.5 * len(panels), max(map(len, panels)) * _INCHES_PER_BAR + 1.2) as figure:
        for axes, same in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _draw_panel(axes, sorted(same, key=lambda one: one.quartiles_ms[1]), colours)
        n_threads = results[0].contestant.n_threads
        write_title(figure, "Waveform to probabilities", f"{processor()}, threads: {n_threads}")


def _colours(results: list[Result]) -> dict[str, str]:
    names = dict.fromkeys(one.contestant.name for one in results)
    return dict(zip(names, HUES, strict=False))


def _draw_panel(axes: Axes, results: list[Result], colours: dict[str, str]) -> None:
    medians_ms = [one.quartiles_ms[1] for one in results]
    axes.barh(
        range(len(results)),
        medians_ms,
        height=0.72,
        color=[colours[one.contestant.name] for one in results],
    )
    axes.set_yticks(range(len(results)), [_label(one.contestant) for one in results], fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    for place, median_ms in enumerate(medians_ms):
        axes.text(
            median_ms * 1.05,
            place,
            f"{median_ms:.{1 if median_ms < 100 else 0}f}",
            va="center",
            fontsize=7,
            color=INK,
        )
    # A network that takes a second stands beside others that take hundredths.
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set(xlim=(min(medians_ms) / 2, max(medians_ms) * 2), ylim=(len(results) - 0.4, -0.6))
    axes.set_xlabel("ms per clip")
    axes.set_title(f"batch {results[0].batch_size}", color=FAINT)
    axes.grid(axis="x")


def _label(contestant: Contestant) -> str:
    return f"{contestant.name} ({contestant.clip_s:g} s), {contestant.title}, {contestant.precision}"
