"""In which order clips are drawn.

An epoch's order depends on seed and epoch alone, so that a run can begin anywhere in it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from htsat.data.dataset import Draw
from htsat.errors import DataError
from htsat.labels import LabelSet

Indices = NDArray[np.int64]


class ClipSampler(ABC):
    """Draws as many clips an epoch as there are; `n_drawn` of them are passed over."""

    def __init__(self, n_clips: int, seed: int) -> None:
        self._n_clips = n_clips
        self._seed = seed
        self.epoch = 0
        self.n_drawn = 0

    def __len__(self) -> int:
        return self._n_clips

    def __iter__(self) -> Iterator[Draw]:
        order = self._order(np.random.default_rng((self._seed, self.epoch)))
        return islice(self._draws(order), self.n_drawn, None)

    def _draws(self, order: Indices) -> Iterator[Draw]:
        n_takes: Counter[int] = Counter()
        for index in order.tolist():
            yield Draw(self.epoch, index, n_takes[index])
            n_takes[index] += 1

    @abstractmethod
    def _order(self, rng: np.random.Generator) -> Indices:
        """Indices of an epoch's clips. Shape: `(n_clips,)`."""


class ShuffledClips(ClipSampler):
    """Every clip once an epoch."""

    def _order(self, rng: np.random.Generator) -> Indices:
        return rng.permutation(self._n_clips)


class BalancedClips(ClipSampler):
    """Round after round one clip of every class, until the epoch is full (official behaviour 9).

    The classes of a round come in random order, and a class's clip is drawn evenly from all that carry it.
    Clips of no class are never drawn.

    Args:
        labels_of_clips: the classes heard in each clip.
        labels: all classes.
        seed: of the order.

    Raises:
        DataError: when a class has no clip; rounds without it would leave it untaught unnoticed.
    """

    def __init__(self, labels_of_clips: Sequence[tuple[str, ...]], labels: LabelSet, seed: int) -> None:
        super().__init__(len(labels_of_clips), seed)
        clips_of: list[list[int]] = [[] for _ in labels]
        for clip, names in enumerate(labels_of_clips):
            for name in names:
                clips_of[labels.index(name)].append(clip)
        _check_no_class_is_empty(clips_of, labels)
        self._clips = np.concatenate([np.array(clips) for clips in clips_of])
        self._n_of_class = np.array([len(clips) for clips in clips_of])
        self._first_of_class = np.cumsum(self._n_of_class) - self._n_of_class

    def _order(self, rng: np.random.Generator) -> Indices:
        n_classes = len(self._n_of_class)
        n_rounds = -(-self._n_clips // n_classes)
        rounds = [rng.permutation(n_classes) for _ in range(n_rounds)]
        classes = np.concatenate(rounds)[: self._n_clips]
        order: Indices = self._clips[self._first_of_class[classes] + rng.integers(self._n_of_class[classes])]
        return order


def _check_no_class_is_empty(clips_of: list[list[int]], labels: LabelSet) -> None:
    empty = [name for name, clips in zip(labels, clips_of, strict=True) if not clips]
    if empty:
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise DataError(
            f"balanced sampling needs a clip of every class to learn from, got none of {empty[0]!r}{others}"
        )
