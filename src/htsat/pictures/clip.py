"""A recording with what is true of it and what is heard: spectrogram, and scores and events in lanes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from htsat.pictures.canvas import FAINT, HUES, INK, picture, short_names, write_title
from htsat.pictures.spectrogram import Spectrogram, mel
from htsat.scores import FrameScores, SoundEvent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_LANES = 12
_SPECTROGRAM_INCHES = 1.9
_LANE_INCHES = 0.66
_MARGIN_INCHES = 1.15
_RANGE_DB = 80
_SILENCE_DB = -100.0
_TICKS_HZ = (125, 500, 2000, 8000, 32000)

_TRUE, _HEARD, _WRONG = HUES[2], HUES[0], HUES[1]
_HEARD_AT, _TRUE_AT, _TOP, _BAR = 1.09, 1.45, 1.81, 0.28
"""Where bars begin above the scores of a lane, where the lane ends, and how high bars are."""
_NUMBER_SHARE = 0.03
"""Of the width of the picture, that a number takes."""


class ClipEvents(NamedTuple):
    """What is true of a recording, None where nobody knows, and what is heard in it."""

    truth: Sequence[SoundEvent] | None
    heard: Sequence[SoundEvent]


def draw_clip(
    path: Path,
    title: str,
    sound: Spectrogram,
    scores: FrameScores,
    events: ClipEvents,
    thresholds: Sequence[float],
) -> None:
    """Draw a recording, and a lane for each class that is true or heard in it.

    Detections are orange where nothing of their class is true at any time of them, and truth is hollow where
    nothing of it is heard. Of more than 12 classes those that sound longest are shown. `thresholds` are one
    per class, in the order of the labels.
    """
    labels = classes_of(events)
    shown = longest(events, labels)
    height = _MARGIN_INCHES + _SPECTROGRAM_INCHES + _LANE_INCHES * len(shown)
    with picture(path, _width(sound.duration_s), height) as figure:
        ratios = [_SPECTROGRAM_INCHES, *[_LANE_INCHES] * len(shown)]
        grid = figure.add_gridspec(len(ratios), 1, height_ratios=ratios, hspace=0.02)
        panels = [figure.add_subplot(grid[row]) for row in range(len(ratios))]
        _draw_sound(panels[0], sound)
        for axes, label in zip(panels[1:], shown, strict=True):
            index = scores.labels.index(label)
            _draw_scores(axes, scores, index, thresholds[index])
            _draw_events(axes, events, label, sound.duration_s)
            _finish_lane(axes, label, top=_TRUE_AT if events.truth is None else _TOP)
        _share_time(panels, sound.duration_s)
        _draw_legend(figure, events.truth is not None)
        write_title(figure, title, *_about(len(shown), len(labels)))


def classes_of(events: ClipEvents) -> list[str]:
    """The classes that are true or heard, in the order in which they begin."""
    both = sorted([*(events.truth or ()), *events.heard], key=lambda event: event.onset_s)
    return list(dict.fromkeys(event.label for event in both))


def longest(events: ClipEvents, labels: Sequence[str]) -> list[str]:
    """Of these classes the 12 that sound longest, truth and detections together, in their own order."""
    seconds = dict.fromkeys(labels, 0.0)
    for event in (*(events.truth or ()), *events.heard):
        seconds[event.label] += event.offset_s - event.onset_s
    kept = set(sorted(labels, key=lambda label: -seconds[label])[:_MAX_LANES])
    return [label for label in labels if label in kept]


def meets(event: SoundEvent, others: Iterable[SoundEvent]) -> bool:
    """Whether another event of its class sounds at any time of an event."""
    return any(
        other.label == event.label and other.onset_s < event.offset_s and event.onset_s < other.offset_s
        for other in others
    )


def _width(duration_s: float) -> float:
    """Inches: wider for long recordings, within what a screen shows."""
    return min(max(9.0, 7.5 + 0.1 * duration_s), 16.0)


def _draw_sound(axes: Axes, sound: Spectrogram) -> None:
    n_mels, n_columns = sound.decibels.shape
    loudest = max(float(sound.decibels.max()), _SILENCE_DB)
    extent = (0, n_columns * sound.column_s, 0, n_mels)
    axes.imshow(
        sound.decibels,
        cmap="magma",
        vmin=loudest - _RANGE_DB,
        vmax=loudest,
        extent=extent,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    ticks = [hz for hz in _TICKS_HZ if hz < sound.max_hz]
    places = n_mels * mel(np.array(ticks, float)) / mel(sound.max_hz)
    axes.set_yticks(places, [_frequency(hz) for hz in ticks], fontsize=7.5)


def _frequency(hz: float) -> str:
    return f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz:g} Hz"


def _draw_scores(axes: Axes, scores: FrameScores, index: int, threshold: float) -> None:
    """The probability of a class as steps over its frames, with the threshold."""
    curve, times_s = scores.probabilities[:, index], scores.grid.boundaries_s
    axes.stairs(curve, times_s, color=INK, alpha=0.1, fill=True, lw=0)
    axes.stairs(curve, times_s, color=INK, lw=0.8)
    axes.axhline(threshold, color=FAINT, lw=0.8, ls=(0, (4, 3)))


def _draw_events(axes: Axes, events: ClipEvents, label: str, duration_s: float) -> None:
    for event in events.truth or ():
        if event.label == label:
            face, edge = (_TRUE, "white") if meets(event, events.heard) else ("white", _TRUE)
            _draw_bar(axes, event, _TRUE_AT, face, edge)
    for event in events.heard:
        if event.label == label:
            is_right = events.truth is None or meets(event, events.truth)
            _draw_bar(axes, event, _HEARD_AT, _HEARD if is_right else _WRONG, "white")
            _write_probability(axes, event, duration_s)


def _draw_bar(axes: Axes, event: SoundEvent, bottom: float, face: str, edge: str) -> None:
    where = [(event.onset_s, event.offset_s - event.onset_s)]
    axes.broken_barh(where, (bottom, _BAR), facecolors=face, edgecolors=edge, linewidths=0.7)


def _write_probability(axes: Axes, event: SoundEvent, duration_s: float) -> None:
    """Write how sure a detection is, where its bar has room."""
    if event.offset_s - event.onset_s < _NUMBER_SHARE * duration_s:
        return
    place = ((event.onset_s + event.offset_s) / 2, _HEARD_AT + _BAR / 2)
    number = f"{event.probability:.2f}"
    axes.text(*place, number, ha="center", va="center_baseline", fontsize=5.5, color="white")


def _finish_lane(axes: Axes, label: str, top: float) -> None:
    [name] = short_names([label])
    axes.set(ylim=(0, top), yticks=[0, 1])
    axes.spines["left"].set_bounds(0, 1)
    axes.tick_params(axis="y", labelsize=6, length=2)
    axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8, fontsize=8)


def _share_time(panels: Sequence[Axes], duration_s: float) -> None:
    for axes in panels:
        axes.set_xlim(0, duration_s)
        axes.grid(axis="x", visible=axes is not panels[0])
        axes.tick_params(axis="x", labelbottom=axes is panels[-1], length=3 if axes is panels[-1] else 0)
    panels[-1].set_xlabel("seconds")


def _draw_legend(figure: Figure, knows_truth: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    bars = [Patch(color=_HEARD, label="heard")]
    if knows_truth:
        bars += [
            Patch(color=_WRONG, label="heard, not true"),
            Patch(color=_TRUE, label="true"),
            Patch(facecolor="white", edgecolor=_TRUE, label="true, not heard"),
        ]
    curves = [
        Line2D([], [], color=INK, lw=0.8, label="probability"),
        Line2D([], [], color=FAINT, lw=0.8, ls=(0, (4, 3)), label="threshold"),
    ]
    figure.legend(handles=[*bars, *curves], loc="outside lower left", ncols=6, fontsize=7.5)


def _about(n_shown: int, n_classes: int) -> list[str]:
    if not n_classes:
        return ["nothing is heard, and nothing known to be true"]
    return [f"the {n_shown} of {n_classes} classes that sound longest"] if n_shown < n_classes else []
