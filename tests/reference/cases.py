"""Made-up scores and true events from fixed seeds, the same for the packages of reference and for us.

`numpy.random.RandomState` draws them, whose streams never change.

T frames, K classes, R recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


class Event(NamedTuple):
    """A true event."""

    recording: int
    class_index: int
    onset_s: float
    offset_s: float


class Case(NamedTuple):
    """Scores of R recordings `(T, K)`, with their frame boundaries `(T + 1,)`, and what is true."""

    scores: list[Doubles]
    boundaries_s: list[Doubles]
    events: list[Event]

    @property
    def durations_s(self) -> Doubles:
        """Length of every recording, `(R,)`."""
        return np.array([boundaries_s[-1] for boundaries_s in self.boundaries_s])

    def smoothed(self, n_frames: int) -> Case:
        """The same after another post-processing: a running mean over so many frames."""
        kernel = np.ones(n_frames) / n_frames
        smooth = [
            np.stack([np.convolve(curve, kernel, mode="same") for curve in scores.T], axis=1)
            for scores in self.scores
        ]
        return self._replace(scores=smooth)


def ten_classes() -> Case:
    """60 recordings of 10 s, 10 classes, frames of 0.2 s, events anywhere, of several classes at a time."""
    random = np.random.RandomState(1)
    return draw(random, [0.2 * np.arange(51)] * 60, n_classes=10)


def eleven_scores() -> Case:
    """The ten classes with scores of one decimal, which eleven thresholds tell apart."""
    case = ten_classes()
    return case._replace(scores=[scores.round(1) for scores in case.scores])


def ties() -> Case:
    """Scores of one decimal; events on the grid of the frames, so that exactly 70 % or 10 % come about."""
    random = np.random.RandomState(2)
    case = draw(random, [0.1 * np.arange(101)] * 60, n_classes=4, events_per_recording=0.5).smoothed(5)
    events = []
    for number, scores in enumerate(case.scores):
        for index in range(4):
            first, n_frames = random.randint(80), random.choice([5, 10, 20])
            events.append(Event(number, index, 0.1 * first, 0.1 * (first + n_frames)))
            begins = first + random.randint(-6, 7)
            scores[max(begins, 0) : begins + n_frames, index] += random.random_sample()
    return case._replace(scores=[scores.clip(0, 1).round(1) for scores in case.scores], events=events)


def uneven() -> Case:
    """Frames of any length, recordings of 1 to 30 s, several hundred frames or three."""
    random = np.random.RandomState(3)
    grids = [np.append(0.0, np.cumsum(0.01 + random.random_sample(n))) for n in (3, 40, 60, 17, 9, 55)]
    return draw(random, grids, n_classes=3)


def silent_classes() -> Case:
    """Eight classes, of which the second and the last have scores, but no true events."""
    random = np.random.RandomState(4)
    case = draw(random, [0.25 * np.arange(41)] * 30, n_classes=8)
    return case._replace(events=[event for event in case.events if event.class_index not in (1, 7)])


def few_hours() -> Case:
    """So much sound, with so few events, that most scores lie below all that the curve can reach."""
    random = np.random.RandomState(5)
    return draw(random, [0.5 * np.arange(21)] * 400, n_classes=3, events_per_recording=0.2)


CASES: Mapping[str, Callable[[], Case]] = {
    "ten_classes": ten_classes,
    "eleven_scores": eleven_scores,
    "ties": ties,
    "uneven": uneven,
    "silent_classes": silent_classes,
    "few_hours": few_hours,
}


def draw(
    random: np.random.RandomState,
    grids: list[Doubles],
    n_classes: int,
    events_per_recording: float = 4.0,
) -> Case:
    events: list[Event] = []
    scores = []
    for number, boundaries_s in enumerate(grids):
        logits = _wandering(random, len(boundaries_s) - 1, n_classes) - 3
        centres_s = (boundaries_s[1:] + boundaries_s[:-1]) / 2
        for _ in range(random.poisson(events_per_recording)):
            index = int(random.randint(n_classes))
            onset_s, offset_s = np.sort(random.random_sample(2)) * boundaries_s[-1]
            events.append(Event(number, index, float(onset_s), float(offset_s)))
            inside = (onset_s < centres_s) & (centres_s < offset_s)
            logits[inside, index] += 2 + 2 * random.random_sample()
            logits[inside, random.randint(n_classes)] += 2 * random.random_sample()
        scores.append(1 / (1 + np.exp(-logits)))
    return Case(scores, grids, _apart(events))


def _wandering(random: np.random.RandomState, n_frames: int, n_classes: int) -> Doubles:
    """Slow noise with a little fast noise on it, `(T, K)`."""
    noise = random.standard_normal((n_frames + 8, n_classes))
    slow = np.cumsum(noise, axis=0)
    return (slow[8:] - slow[:-8]) / np.sqrt(8) + 0.3 * noise[8:]


def _apart(events: list[Event]) -> list[Event]:
    """The events without those that touch an earlier one of their recording and class."""
    kept: list[Event] = []
    for event in sorted(events):
        same = bool(kept) and kept[-1][:2] == event[:2]
        if not same or event.onset_s > kept[-1].offset_s + 0.05:
            kept.append(event)
    return kept
