"""The best of what was seen so far, each recording (or moment) once.

n rows.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Literal, NamedTuple

import numpy as np

from htsat.formats.embedding_files import Places
from htsat.scores import FloatArray

Per = Literal["recording", "moment"]
"""What stands in a list of results once: a recording, with its nearest moment, or each moment."""

DIGITS = 6
"""Of a similarity. What differs less is equal, and comes in the order of the index: single precision is not
finer, and its last digits depend on where in a block a vector stands."""


class Hit(NamedTuple):
    """A moment of a recording, which begins at `start_s`, and its cosine similarity to the query."""

    file: str
    start_s: float
    similarity: float


class Ranking:
    """Keeps the `top` nearest of all rows that were pushed; equal ones in their order."""

    def __init__(self, top: int, per: Per, excluded: Set[str] = frozenset()) -> None:
        self._top, self._per, self._excluded = top, per, excluded
        self._hits: dict[object, Hit] = {}

    def push(self, places: Places, similarities: FloatArray) -> None:
        """Take consecutive rows. Shape: `(n,)`."""
        similarities = np.round(similarities, DIGITS)
        candidates = np.flatnonzero(similarities > self._threshold())
        best_first = candidates[np.argsort(-similarities[candidates], kind="stable")]
        fresh: set[object] = set()
        for row in best_first:
            hit = Hit(places.files[row], float(places.starts_s[row]), round(float(similarities[row]), DIGITS))
            key = hit.file if self._per == "recording" else hit[:2]
            if hit.file in self._excluded or key in fresh:
                continue
            fresh.add(key)
            if key not in self._hits or hit.similarity > self._hits[key].similarity:
                # Taken out first: among equals, what was found last stands last.
                self._hits.pop(key, None)
                self._hits[key] = hit
            if len(fresh) == self._top:
                break
        self._hits = dict(self._ordered()[: self._top])

    def hits(self) -> list[Hit]:
        """The nearest so far, the most similar first."""
        return list(self._hits.values())

    def _ordered(self) -> list[tuple[object, Hit]]:
        return sorted(self._hits.items(), key=lambda item: -item[1].similarity)

    def _threshold(self) -> float:
        """What a row must exceed to matter."""
        return -np.inf if len(self._hits) < self._top else self.hits()[-1].similarity
