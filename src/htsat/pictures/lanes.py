"""What pictures of recordings are drawn of: the spectrogram, and lanes with scores and events over time.

Times are in seconds of the recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from htsat.pictures.canvas import FAINT, HUES, INK, short_names
from htsat.pictures.score_curves import ScoreCurves
from htsat.pictures.spectrogram import Spectrogram, mel
from htsat.scores import SoundEvent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUE, HEARD, WRONG = HUES[2], HUES[0], HUES[1]
HEARD_AT, TRUE_AT, TOP, BAR = 1.09, 1.45, 1.81, 0.28
"""Where bars begin above the scores of a lane, where the lane ends, and how high bars are."""

_MAX_LANES = 12
_RANGE_DB = 80
_ABOVE_MIDDLE_DB = 35
_NOISE_PERCENT = 15
_SILENCE_DB = -100.0
_TICK_INCHES = 0.17
"""That two labels of frequencies are apart at least."""
_NUMBER_SHARE = 0.03
"""Of the width of the picture, that a number takes."""


class ClipEvents(NamedTuple):
    """What is true of a recording, None where nobody knows, and what is heard in it."""

    truth: Sequence[SoundEvent] | None
    heard: Sequence[SoundEvent]

    def between(self, start_s: float, stop_s: float) -> ClipEvents:
        """What sounds in a part of the recording."""
        heard = _sounding(self.heard, start_s, stop_s)
        return ClipEvents(None if self.truth is None else _sounding(self.truth, start_s, stop_s), heard)


class Span(NamedTuple):
    """A stretch of time."""

    start_s: float
    stop_s: float

    @property
    def length_s(self) -> float:
        """In seconds."""
        return self.stop_s - self.start_s


def _sounding(events: Sequence[SoundEvent], start_s: float, stop_s: float) -> list[SoundEvent]:
    return [event for event in events if event.onset_s < stop_s and event.offset_s > start_s]


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


class Loudness(NamedTuple):
    """What is drawn darkest and brightest, in decibels."""

    darkest_db: float
    brightest_db: float

    @classmethod
    def of(cls, sound: Spectrogram) -> Loudness:
        """From the noise that is nearly always there to the loudest point, which noise alone does not reach.

        At most 80 dB are shown.
        """
        noise, middle = np.percentile(sound.decibels, (_NOISE_PERCENT, 50))
        brightest = max(float(sound.decibels.max()), float(middle) + _ABOVE_MIDDLE_DB, _SILENCE_DB)
        return cls(max(brightest - _RANGE_DB, float(noise)), brightest)


def draw_sound(axes: Axes, sound: Spectrogram, start_s: float, loudness: Loudness, inches: float) -> None:
    """Draw a spectrogram so many inches high, from a time on."""
    n_mels, n_columns = sound.decibels.shape
    axes.imshow(
        sound.decibels,
        cmap="magma",
        vmin=loudness.darkest_db,
        vmax=loudness.brightest_db,
        extent=(start_s, start_s + n_columns * sound.column_s, 0, n_mels),
        origin="lower",
        aspect="auto",
        interpolation="none",  # drawn as it is; in SVG the viewer scales it, and files are small
    )
    ticks = frequencies_hz(sound.max_hz, _TICK_INCHES / inches)
    axes.set_yticks(places_of(ticks, sound), [_frequency(hz) for hz in ticks], fontsize=7)


def frequencies_hz(max_hz: float, share: float) -> list[float]:
    """The octaves of 125 Hz that have room beside a spectrogram, from the highest down.

    Two of them are at least this share of its height apart.
    """
    shown: list[float] = []
    last = math.inf
    for octave in range(int(math.log2(max(max_hz, 125) / 125)), -1, -1):
        hz = 125.0 * 2**octave
        place = float(mel(hz) / mel(max_hz))
        if place < 1 - share / 2 and last - place >= share:
            shown.append(hz)
            last = place
    return shown


def places_of(frequencies: Sequence[float], sound: Spectrogram) -> list[float]:
    """Where frequencies stand on the axis of a spectrogram."""
    share = mel(np.array(frequencies, float)) / mel(sound.max_hz)
    return [float(place) for place in len(sound.decibels) * share]


def _frequency(hz: float) -> str:
    return f"{hz / 1000:g} kHz" if hz >= 1000 else f"{hz:g} Hz"


def draw_scores(axes: Axes, curves: ScoreCurves, label: str, threshold: float, span: Span) -> None:
    """The probability of a class as steps over its frames, with the threshold."""
    curve, times_s = curves.between(span.start_s, span.stop_s, label)
    axes.stairs(curve, times_s, color=INK, alpha=0.1, fill=True, lw=0)
    axes.stairs(curve, times_s, color=INK, lw=0.8)
    axes.axhline(threshold, color=FAINT, lw=0.8, ls=(0, (4, 3)))


def draw_events(axes: Axes, events: ClipEvents, label: str, width_s: float, base: float = 0.0) -> None:
    """The bars of a class: what is heard, and above it what is true; `base` moves them up."""
    truth = [event for event in events.truth or () if event.label == label]
    heard = [event for event in events.heard if event.label == label]
    met = [event for event in truth if meets(event, heard)]
    right = heard if events.truth is None else [event for event in heard if meets(event, truth)]
    _draw_bars(axes, met, base + TRUE_AT, (TRUE, "white"))
    _draw_bars(axes, _without(truth, met), base + TRUE_AT, ("white", TRUE))
    _draw_bars(axes, right, base + HEARD_AT, (HEARD, "white"))
    _draw_bars(axes, _without(heard, right), base + HEARD_AT, (WRONG, "white"))
    for event in heard:
        _write_probability(axes, event, width_s, base)


def _without(events: Sequence[SoundEvent], others: Sequence[SoundEvent]) -> list[SoundEvent]:
    left_out = set(others)
    return [event for event in events if event not in left_out]


def _draw_bars(axes: Axes, events: Sequence[SoundEvent], bottom: float, colours: tuple[str, str]) -> None:
    """Bars of one colour, as one piece: thousands of single ones would take long and much memory."""
    if events:
        places = [(event.onset_s, event.offset_s - event.onset_s) for event in events]
        axes.broken_barh(places, (bottom, BAR), facecolors=colours[0], edgecolors=colours[1], linewidths=0.7)


def _write_probability(axes: Axes, event: SoundEvent, width_s: float, base: float) -> None:
    """Write how sure a detection is, where its bar has room."""
    if event.offset_s - event.onset_s < _NUMBER_SHARE * width_s:
        return
    place = ((event.onset_s + event.offset_s) / 2, base + HEARD_AT + BAR / 2)
    number = f"{event.probability:.2f}"
    axes.text(*place, number, ha="center", va="center_baseline", fontsize=5.5, color="white", clip_on=True)


def finish_lane(axes: Axes, label: str, top: float) -> None:
    """Name a lane with scores, and give it its height."""
    [name] = short_names([label])
    axes.set(ylim=(0, top), yticks=[0, 1])
    axes.spines["left"].set_bounds(0, 1)
    axes.tick_params(axis="y", labelsize=6, length=2)
    axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8, fontsize=8)


def draw_legend(figure: Figure, *, knows_truth: bool, shows_scores: bool) -> None:
    """Say what bars and lines mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Line2D | Patch] = [Patch(color=HEARD, label="heard")]
    if knows_truth:
        handles += [
            Patch(color=WRONG, label="heard, not true"),
            Patch(color=TRUE, label="true"),
            Patch(facecolor="white", edgecolor=TRUE, label="true, not heard"),
        ]
    if shows_scores:
        handles += [
            Line2D([], [], color=INK, lw=0.8, label="probability"),
            Line2D([], [], color=FAINT, lw=0.8, ls=(0, (4, 3)), label="threshold"),
        ]
    figure.legend(handles=handles, loc="outside lower left", ncols=6, fontsize=7.5)
