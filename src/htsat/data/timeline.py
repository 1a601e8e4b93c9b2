"""When classes sound in training clips: strong labels, carried through everything that happens to the sound.

T frames of a clip, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from htsat.data.clip import Clip
from htsat.data.events import EventFiles, Events
from htsat.errors import DataError, did_you_mean
from htsat.labels import LabelSet
from htsat.scores import FloatArray

MIN_LEFT_S = 0.05
"""What is left of an event at a cut counts from this length on; shorter remains are not to be recognised."""
_YES, _NO = np.ones((), np.float32), np.zeros((), np.float32)


@dataclass(frozen=True)
class Placement:
    """How a stretch of a recording became a clip of `clip_samples`: all in samples.

    The stretch of `n_samples` from `start` was played `speed` times as fast, which left `n_played`; that was
    repeated until it filled the clip, and rotated by `roll`.
    """

    start: int
    n_samples: int
    speed: float
    n_played: int
    roll: int
    clip_samples: int

    def spans(self, onset: float, offset: float) -> Iterator[tuple[float, float]]:
        """Where a part of the stretch, from `onset` to `offset` in it, is heard in the clip."""
        for copy in range(0, self.clip_samples, self.n_played):
            first = copy + onset / self.speed
            last = min(copy + min(offset / self.speed, self.n_played), self.clip_samples)
            if first < last:
                yield from self._rotated(first, last)

    def _rotated(self, first: float, last: float) -> Iterator[tuple[float, float]]:
        """A rotation may carry the end of a span to the beginning of the clip."""
        length = last - first
        begin = (first + self.roll) % self.clip_samples
        end = begin + length
        yield begin, min(end, self.clip_samples)
        if end > self.clip_samples:
            yield 0.0, end - self.clip_samples


class Moments(NamedTuple):
    """What is known of the moments of a clip.

    Shape: `frames` `(T, K)`, the share of each frame in which a class sounds; `known` `(K,)`, ones for the
    classes of which `frames` tells the truth; `is_tagged` `()`, 0 where nothing is known of the whole clip.
    """

    frames: FloatArray
    known: FloatArray
    is_tagged: FloatArray


class Truth(NamedTuple):
    """What is known of a clip. Shape: `target` `(K,)`, ones for the classes that are heard."""

    target: FloatArray
    moments: Moments


class Timeline:
    """What is known of when classes sound in clips, as training hears them at a sample rate.

    A clip with strong labels tells of all classes. One with only weak labels tells where classes are not: of
    those that it does not have. One of the `unlabelled` folds tells nothing.

    Raises:
        DataError: when strong labels cannot be read, or name a class that is not in `labels`.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        labels: LabelSet,
        sample_rate: int,
        n_frames: int,
        unlabelled: frozenset[str] = frozenset(),
    ) -> None:
        self._events = EventFiles(clips)
        self._labels = labels
        self._sample_rate = sample_rate
        self._n_frames = n_frames
        self._unlabelled = unlabelled
        self._check_classes(clips)

    def _check_classes(self, clips: Sequence[Clip]) -> None:
        for clip in clips:
            for label in {event.label for event in self._events.of(clip)} - set(self._labels):
                near = did_you_mean(label, self._labels)
                raise DataError(f"{clip.events}: unknown class {label!r} in {clip.title}{near}")

    def truth(self, clip: Clip, placement: Placement) -> Truth:
        """What is known of a clip that was made so."""
        n_classes = len(self._labels)
        silent, nothing = np.zeros((self._n_frames, n_classes), np.float32), np.zeros(n_classes, np.float32)
        if clip.fold in self._unlabelled:
            return Truth(nothing, Moments(silent, nothing, _NO))
        if clip.events is None:
            target = target_of(clip.labels, self._labels)
            return Truth(target, Moments(silent, np.float32(1.0) - target, _YES))
        frames = self._frames(self._events.of(clip), placement)
        heard: FloatArray = np.asarray((frames > 0).any(axis=0), np.float32)
        return Truth(heard, Moments(frames, np.ones_like(heard), _YES))

    def _frames(self, events: Events, placement: Placement) -> FloatArray:
        """The share of each frame in which a class sounds, `(T, K)`."""
        frame = placement.clip_samples / self._n_frames
        edges = frame * np.arange(self._n_frames + 1)
        covered = np.zeros((self._n_frames, len(self._labels)))
        for event in events:
            index = self._labels.index(event.label)
            for first, last in self._spans(event.onset_s, event.offset_s, placement):
                covered[:, index] += np.maximum(
                    np.minimum(last, edges[1:]) - np.maximum(first, edges[:-1]), 0.0
                )
        return np.minimum(covered / frame, 1.0).astype(np.float32)

    def _spans(self, onset_s: float, offset_s: float, placement: Placement) -> Iterator[tuple[float, float]]:
        """Where an event is heard in a clip; nowhere, if only a splinter of it lies in the stretch."""
        onset = onset_s * self._sample_rate - placement.start
        offset = offset_s * self._sample_rate - placement.start
        first, last = max(onset, 0.0), min(offset, placement.n_samples)
        is_cut = first > onset or last < offset
        if last - first >= (MIN_LEFT_S * self._sample_rate if is_cut else 0.0):
            yield from placement.spans(first, last)


def target_of(labels: tuple[str, ...], label_set: LabelSet) -> FloatArray:
    """Ones for the classes that are heard. Shape: `(K,)`."""
    target = np.zeros(len(label_set), np.float32)
    target[[label_set.index(label) for label in labels]] = 1.0
    return target
