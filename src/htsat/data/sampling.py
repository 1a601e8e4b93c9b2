"""In which order clips are drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from htsat.data.dataset import Draw


class ShuffledClips:
    """Every clip once an epoch, in an order that depends only on seed and epoch."""

    def __init__(self, n_clips: int, seed: int) -> None:
        self._n_clips = n_clips
        self._seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self._n_clips

    def __iter__(self) -> Iterator[Draw]:
        order = np.random.default_rng((self._seed, self.epoch)).permutation(self._n_clips)
        return (Draw(self.epoch, int(index)) for index in order)
