"""In which order clips are drawn, and which of them a process hears.

An epoch's order depends on seed and epoch alone, so that a run can begin anywhere in it, and every process of
a run knows the whole order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htsat.data.dataset import Draw
from htsat.data.manifest import Clip
from htsat.errors import DataError
from htsat.labels import LabelSet
from htsat.processes import ALONE, Processes

Indices = NDArray[np.int64]

OPEN_SHARDS = 16
"""Shards that `StreamedClips` reads at a time."""


class ClipSampler(ABC):
    """Draws `n_draws` clips an epoch: by default as many as there are."""

    def __init__(self, n_clips: int, seed: int) -> None:
        self.n_clips = n_clips
        self._seed = seed

    def epoch(self, epoch: int, n_draws: int | None = None) -> Draws:
        """The draws of an epoch; a clip that comes again is another take of it."""
        rng = np.random.default_rng((self._seed, epoch))
        orders, n_missing = [], n_draws or self.n_clips
        while n_missing > 0:
            order = self._order(rng)
            orders.append(order if n_missing >= len(order) else self._some(order, n_missing, rng))
            n_missing -= len(order)
        indices = np.concatenate(orders)
        return Draws(epoch, indices, occurrences(indices))

    def _some(self, order: Indices, n_draws: int, _: np.random.Generator) -> Indices:
        """So many clips of an order that is longer: the first ones, as their order is random."""
        return order[:n_draws]

    @abstractmethod
    def _order(self, rng: np.random.Generator) -> Indices:
        """Indices of clips. Shape: `(n_clips,)`."""


@dataclass(frozen=True)
class Draws:
    """An epoch's clips in order. Shape: `indices` and `takes` `(n,)`."""

    number: int
    """Of the epoch."""
    indices: Indices
    takes: Indices

    def __len__(self) -> int:
        return len(self.indices)

    def between(self, start: int, stop: int) -> list[Draw]:
        """A stretch of the order."""
        pairs = zip(self.indices[start:stop].tolist(), self.takes[start:stop].tolist(), strict=True)
        return [Draw(self.number, index, take) for index, take in pairs]


def occurrences(indices: Indices) -> Indices:
    """How often each index stood before in the order. Shape: `(n,)` -> `(n,)`."""
    by_index = np.argsort(indices, kind="stable")
    ordered = indices[by_index]
    is_first = np.r_[True, ordered[1:] != ordered[:-1]]
    places = np.arange(len(indices))
    counts = np.empty_like(indices)
    counts[by_index] = places - np.maximum.accumulate(np.where(is_first, places, 0))
    return counts


class ShuffledClips(ClipSampler):
    """Every clip once an epoch."""

    def _order(self, rng: np.random.Generator) -> Indices:
        return rng.permutation(self.n_clips)


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
        n_rounds = -(-self.n_clips // n_classes)
        rounds = [rng.permutation(n_classes) for _ in range(n_rounds)]
        classes = np.concatenate(rounds)[: self.n_clips]
        order: Indices = self._clips[self._first_of_class[classes] + rng.integers(self._n_of_class[classes])]
        return order


class WeightedClips(ClipSampler):
    """Clips drawn with replacement, each in proportion to its weight.

    Raises:
        DataError: when no weight is above 0.
    """

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        super().__init__(len(weights), seed)
        heights = np.cumsum(np.asarray(weights, np.float64))
        if not heights[-1] > 0:
            raise DataError("weighted sampling needs a clip whose weight is above 0")
        self._heights = heights / heights[-1]

    def _order(self, rng: np.random.Generator) -> Indices:
        drawn: Indices = np.searchsorted(self._heights, rng.random(self.n_clips), side="right")
        return drawn


def inverse_frequency_weights(clips: Sequence[Clip]) -> list[float]:
    """The weight of each clip times the sum over its classes of one over the number of clips of the class.

    A clip of no class counts as one of a class of such clips.
    """
    n_clips_of = Counter(label for clip in clips for label in clip.labels or ("",))
    return [clip.weight * sum(1.0 / n_clips_of[label] for label in clip.labels or ("",)) for clip in clips]


class StreamedClips(ClipSampler):
    """Every clip once an epoch, in an order that reads shards from beginning to end.

    The shards come in random order, `OPEN_SHARDS` at a time, and the clips of those are interleaved at
    random: each shard is read forwards, and neighbours in a batch come from different ones.

    Args:
        shards: the shard in which each clip lies, clips in the order of the files.
        seed: of the order.
    """

    def __init__(self, shards: Sequence[object], seed: int) -> None:
        super().__init__(len(shards), seed)
        number_of = {shard: number for number, shard in enumerate(dict.fromkeys(shards))}
        self._shard_of = np.array([number_of[shard] for shard in shards])
        by_shard = np.argsort(self._shard_of, kind="stable")
        self._clips_of = np.split(by_shard, np.cumsum(np.bincount(self._shard_of))[:-1])

    def _order(self, rng: np.random.Generator) -> Indices:
        shards = rng.permutation(len(self._clips_of))
        groups = [shards[start : start + OPEN_SHARDS] for start in range(0, len(shards), OPEN_SHARDS)]
        return np.concatenate([self._interleaved(group, rng) for group in groups])

    def _some(self, order: Indices, n_draws: int, rng: np.random.Generator) -> Indices:
        """From everywhere: the end of the order would always be the ends of shards."""
        return order[np.sort(rng.permutation(len(order))[:n_draws])]

    def _interleaved(self, shards: Indices, rng: np.random.Generator) -> Indices:
        """The clips of some shards. Shape: `(n_shards,)` -> `(n_clips_in_them,)`."""
        clips = np.concatenate([self._clips_of[shard] for shard in shards])
        owners = rng.permutation(self._shard_of[clips])
        order = np.empty_like(clips)
        for shard in shards:
            order[owners == shard] = self._clips_of[shard]
        return order


def _check_no_class_is_empty(clips_of: list[list[int]], labels: LabelSet) -> None:
    empty = [name for name, clips in zip(labels, clips_of, strict=True) if not clips]
    if empty:
        others = f" (and {len(empty) - 1} more)" if len(empty) > 1 else ""
        raise DataError(
            f"balanced sampling needs a clip of every class to learn from, got none of {empty[0]!r}{others}"
        )


class PartSampler:
    """Splits an epoch into batches, these into parts, and gives a process its share of each part.

    Every process gets the same number of clips of every part, neighbours in the order, so that any number of
    processes hears the same parts. Clips at the end of the epoch that fill no batch are left for another
    epoch; fewer clips than a batch holds are drawn several times.

    Yields lists of draws, one for each part, from `n_batches_done` on.
    """

    def __init__(
        self,
        sampler: ClipSampler,
        batch_size: int,
        n_parts: int = 1,
        processes: Processes = ALONE,
    ) -> None:
        self._sampler = sampler
        self._batch_size = batch_size
        self._part_size = batch_size // n_parts
        self._processes = processes
        self.epoch = 0
        self.n_batches_done = 0

    @property
    def n_batches(self) -> int:
        """Of an epoch."""
        return max(1, self._sampler.n_clips // self._batch_size)

    def __len__(self) -> int:
        return self.n_batches * self._batch_size // self._part_size

    def __iter__(self) -> Iterator[list[Draw]]:
        n_draws = self.n_batches * self._batch_size
        draws = self._sampler.epoch(self.epoch, n_draws)
        n_own = self._part_size // self._processes.n
        for start in range(self.n_batches_done * self._batch_size, n_draws, self._part_size):
            own = start + self._processes.rank * n_own
            yield draws.between(own, own + n_own)
