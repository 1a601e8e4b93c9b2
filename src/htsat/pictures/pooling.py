"""Rows that arrive without end, pooled in time so that their number stays bounded.

N rows in time, F values in each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from htsat.scores import FloatArray


class Pooled(NamedTuple):
    """Shape: `rows` `(N, F)`, each made of `n_together` that arrived, the last one perhaps of fewer."""

    rows: FloatArray
    n_together: int


class RunningPool:
    """Pools rows by their sum or maximum; joins neighbours whenever there are twice as many as wanted.

    `combine` is `np.add` or `np.maximum`. Memory is that of `2 * n_most` rows.
    """

    def __init__(self, n_most: int, combine: np.ufunc) -> None:
        self._n_most = n_most
        self._combine = combine
        self._rows: FloatArray | None = None
        self._n_rows = 0
        self._n_together = 1
        self._waiting: list[FloatArray] = []

    def push(self, rows: FloatArray) -> None:
        """Take the next rows, `(n, F)`."""
        if self._rows is None:
            self._rows = np.empty((2 * self._n_most, rows.shape[1]), np.float32)
        rest = np.concatenate([*self._waiting, rows])
        while len(rest) >= self._n_together:
            n_free = len(self._rows) - self._n_rows
            n_new = min(len(rest) // self._n_together, n_free)
            n_taken = n_new * self._n_together
            self._rows[self._n_rows : self._n_rows + n_new] = self._joined(rest[:n_taken], self._n_together)
            self._n_rows += n_new
            rest = rest[n_taken:]
            if self._n_rows == len(self._rows):
                self._halve(self._rows)
        self._waiting = [rest]

    def finish(self) -> Pooled:
        """All rows; what is left over is the last one."""
        if self._rows is None:
            raise ValueError("no rows have come")
        rows = self._rows[: self._n_rows]
        left = [self._combine.reduce(part, axis=0)[None] for part in self._waiting if len(part)]
        return Pooled(np.concatenate([rows, *left]), self._n_together)

    def _halve(self, rows: FloatArray) -> None:
        rows[: self._n_most] = self._joined(rows, 2)
        self._n_rows = self._n_most
        self._n_together *= 2

    def _joined(self, rows: FloatArray, n_together: int) -> FloatArray:
        groups = rows.reshape(-1, n_together, rows.shape[1])
        joined: FloatArray = self._combine.reduce(groups, axis=1)
        return joined
