"""Near duplicates: pairs of recordings that have moments as good as equal.

Every block of rows meets every later one, so that memory holds two of them and the best pairs so far; time
grows with the square of the index.

n, m rows of two blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.errors import ConfigError
from htsat.formats.embedding_files import Block, Places
from htsat.scores import FloatArray
from htsat.search.index import Index
from htsat.search.ranking import DIGITS


class Pair(NamedTuple):
    """The two moments of two recordings that are most similar; `file` stands earlier in the index."""

    file: str
    start_s: float
    other_file: str
    other_start_s: float
    similarity: float


def pairs(index: Index, min_similarity: float, top: int) -> list[Pair]:
    """The `top` most similar pairs of recordings, of those with a similarity of at least `min_similarity`.

    Each pair of recordings stands there once, with its most similar moments; of equal ones the first that
    are met.

    Raises:
        ConfigError: when a number is out of range.
        DataError: when a vector is not finite.
    """
    if not -1 <= min_similarity <= 1:
        raise ConfigError(f"min_similarity must be between -1 and 1, got {min_similarity:g}")
    if top < 1:
        raise ConfigError(f"top must be at least 1, got {top}")
    best = _BestPairs(min_similarity, top)
    for number, block in enumerate(index.blocks()):
        for n_between, later in enumerate(islice(index.blocks(), number, None)):
            best.push(block, later, is_same=n_between == 0)
    return best.pairs()


class _BestPairs:
    def __init__(self, min_similarity: float, top: int) -> None:
        self._min, self._top = min_similarity, top
        self._pairs: dict[frozenset[str], Pair] = {}

    def push(self, block: Block, later: Block, *, is_same: bool) -> None:
        """Take all pairs of a row of one block and a row of a later one, or of the same."""
        similarities = block.vectors @ later.vectors.T
        if is_same:
            similarities[np.tri(len(similarities), dtype=bool)] = -np.inf
        fresh: set[frozenset[str]] = set()
        for pair in self._candidates(block, later, similarities):
            key = frozenset((pair.file, pair.other_file))
            if key in fresh:
                continue
            fresh.add(key)
            if key not in self._pairs or pair.similarity > self._pairs[key].similarity:
                self._pairs.pop(key, None)
                self._pairs[key] = pair
            if len(fresh) == self._top:
                break
        ordered = sorted(self._pairs.items(), key=lambda item: -item[1].similarity)
        self._pairs = dict(ordered[: self._top])

    def pairs(self) -> list[Pair]:
        """The best so far."""
        return list(self._pairs.values())

    def _candidates(self, block: Block, later: Block, similarities: FloatArray) -> Iterator[Pair]:
        """Pairs of rows that may matter, the most similar first."""
        least = self._min
        if len(self._pairs) == self._top:
            least = max(least, self.pairs()[-1].similarity)
        rows, columns = np.nonzero(similarities >= least - 10**-DIGITS)
        rounded = np.round(similarities[rows, columns].astype(np.float64), DIGITS)
        matters = (rounded >= self._min) & _differ(block.places, later.places, rows, columns)
        candidates = np.flatnonzero(matters)
        for number in candidates[np.argsort(-rounded[candidates], kind="stable")]:
            row, column = rows[number], columns[number]
            yield Pair(
                block.places.files[row],
                float(block.places.starts_s[row]),
                later.places.files[column],
                float(later.places.starts_s[column]),
                float(rounded[number]),
            )


def _differ(
    places: Places, others: Places, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Which pairs of a row and another are of two recordings."""
    codes: dict[str, int] = {}
    first, second = (
        np.array([codes.setdefault(file, len(codes)) for file in one.files]) for one in (places, others)
    )
    differ: NDArray[np.bool_] = first[rows] != second[columns]
    return differ
