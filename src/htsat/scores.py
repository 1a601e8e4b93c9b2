"""What the network says about a recording: scores on a time grid, tags, events.

Axes: T frames, K classes. Times are in seconds from the start of the recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.labels import LabelSet

Task = Literal["multi_label", "multi_class"]
"""Multi-label: any number of classes at once. Multi-class: exactly one of them."""

FloatArray = NDArray[np.float32]
Seconds = NDArray[np.float64]


def probabilities(logits: FloatArray, task: Task) -> FloatArray:
    """Turn logits into probabilities: the only place where that happens.

    Shape: `(..., K)` in and out. Multi-label: a sigmoid per class; multi-class: a softmax over the classes.
    """
    if task == "multi_label":
        # This form of the sigmoid neither overflows nor loses small values.
        sigmoid: FloatArray = np.exp(-np.logaddexp(0, -logits))
        return sigmoid
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    softmax: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return softmax


# Between these a logit in single precision is finite, and gives the probability again.
_SMALLEST, _LARGEST = 1e-37, 1 - 2.0**-25


def log_odds(probabilities: NDArray[np.floating]) -> FloatArray:
    """The multi-label logits of probabilities; those of 0 and 1 are finite. Shape: any -> the same."""
    inside = np.clip(probabilities.astype(np.float64), _SMALLEST, _LARGEST)
    logits: FloatArray = np.log(inside / (1 - inside)).astype(np.float32)
    return logits


class Tag(NamedTuple):
    """One class heard in a recording."""

    label: str
    probability: float


class FrequencyBand(NamedTuple):
    """From the lowest to the highest frequency of a sound."""

    low_hz: float
    high_hz: float


class SoundEvent(NamedTuple):
    """One sound with its beginning and end.

    The probability is that of its loudest frame, or the mean of a box.
    """

    label: str
    onset_s: float
    offset_s: float
    probability: float

    @property
    def band(self) -> FrequencyBand | None:
        """The band that somebody marked: see `MarkedEvent`. Models mark none."""
        return None


class MarkedEvent(SoundEvent):
    """A sound event of which somebody marked the band too: otherwise, and to compare, a `SoundEvent`."""

    _band: FrequencyBand | None = None

    @classmethod
    def of(cls, event: SoundEvent, band: FrequencyBand) -> MarkedEvent:
        """The same event with its band."""
        marked = cls(*event)
        marked._band = band
        return marked

    @property
    def band(self) -> FrequencyBand | None:
        """From its lowest to its highest frequency."""
        return self._band


def in_order(events: Iterable[SoundEvent], labels: LabelSet) -> list[SoundEvent]:
    """Events by onset; those that begin together in the order of their labels."""
    return sorted(events, key=lambda event: (event.onset_s, labels.index(event.label)))


@dataclass(frozen=True, eq=False)
class FrameGrid:
    """Where frames lie in time: T + 1 boundaries in seconds, of any spacing.

    Frame `i` covers `boundaries_s[i]` to `boundaries_s[i + 1]`.
    """

    boundaries_s: Seconds

    def __post_init__(self) -> None:
        if self.boundaries_s.ndim != 1 or len(self.boundaries_s) < 1:
            raise ValueError(f"boundaries must be a vector, got shape {self.boundaries_s.shape}")
        if np.any(np.diff(self.boundaries_s) <= 0):
            raise ValueError("boundaries must increase")

    @classmethod
    def regular(cls, n_frames: int, frame_s: float, duration_s: float) -> FrameGrid:
        """Frames of equal length, of which the last ends where the recording ends."""
        boundaries: Seconds = frame_s * np.arange(n_frames + 1, dtype=np.float64)
        boundaries[-1] = duration_s
        return cls(boundaries)

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return len(self.boundaries_s) - 1

    @property
    def durations_s(self) -> Seconds:
        """Length of every frame, `(T,)`."""
        return np.diff(self.boundaries_s)

    def frame_at(self, time_s: float) -> int:
        """Index of the frame that covers a time; times outside belong to the first or last frame."""
        index = int(np.searchsorted(self.boundaries_s, time_s, side="right")) - 1
        return min(max(index, 0), self.n_frames - 1)


@dataclass(frozen=True, eq=False)
class ClipScores:
    """What is heard in a recording as a whole; `logits` is `(K,)`."""

    logits: FloatArray
    labels: LabelSet
    task: Task

    @cached_property
    def probabilities(self) -> FloatArray:
        """`(K,)`, in [0, 1]."""
        return probabilities(self.logits, self.task)

    def tags(self, top: int | None = None, min_probability: float = 0.0) -> list[Tag]:
        """The classes from the most to the least probable."""
        order = np.argsort(-self.probabilities, kind="stable")[:top]
        return [
            Tag(self.labels[index], float(self.probabilities[index]))
            for index in order
            if self.probabilities[index] >= min_probability
        ]


@dataclass(frozen=True, eq=False)
class FrameScores:
    """What is heard in each frame of a recording.

    Shape: `logits`, `clip_logits` and `tagging_logits` are `(T, K)`. `clip_logits` are those of the network
    clip around a frame (the largest, where several overlap): the evidence for a class in the longer context,
    which the clip-level gate of event detection looks at. `tagging_logits` are what the recording as a whole
    is tagged by, None where these are the logits: a fine head detects, and leaves tagging to the paper's.
    """

    logits: FloatArray
    clip_logits: FloatArray
    grid: FrameGrid
    labels: LabelSet
    task: Task
    tagging_logits: FloatArray | None = None

    def __post_init__(self) -> None:
        expected = (self.grid.n_frames, len(self.labels))
        if self.logits.shape != expected or self.clip_logits.shape != expected:
            raise ValueError(
                f"expected logits {expected}, got {self.logits.shape} and {self.clip_logits.shape}"
            )

    @cached_property
    def probabilities(self) -> FloatArray:
        """`(T, K)`, in [0, 1]."""
        return probabilities(self.logits, self.task)

    def clip(self) -> ClipScores:
        """Scores of the whole recording: the mean of the tagging logits over time (paper, section 3.2)."""
        total = self.tagging_sum() / self.grid.durations_s.sum()
        return ClipScores(total.astype(np.float32), self.labels, self.task)

    def tagging_sum(self) -> NDArray[np.float64]:
        """The integral over time of what the recording is tagged by, in seconds, `(K,)`."""
        integral: NDArray[np.float64] = self.grid.durations_s @ self.tagged_by
        return integral

    @property
    def tagged_by(self) -> FloatArray:
        """The tagging logits, or the frame logits where these tag too, `(T, K)`."""
        return self.logits if self.tagging_logits is None else self.tagging_logits
