"""The k-th smallest value of any stretch of a row, in a time that does not depend on its length.

A wavelet matrix (Claude and Navarro, SPIRE 2012): values are numbered by size, and the numbers sorted bit by
bit from the highest. How many zeros a stretch has in a bit says whether the value that is looked for has a
zero there, and where the stretch goes on.

N values of the row, M stretches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htsat.scores import FloatArray

Indices = NDArray[np.intp]


class OrderStatistics:
    """Answers for one row `(N,)`."""

    def __init__(self, row: FloatArray) -> None:
        self._values, ranks = np.unique(row, return_inverse=True)
        self._zeros_before: list[NDArray[np.int32]] = []
        for bit in reversed(range((len(self._values) - 1).bit_length())):
            is_zero = (ranks >> bit) & 1 == 0
            self._zeros_before.append(np.concatenate([[0], np.cumsum(is_zero)]).astype(np.int32))
            ranks = np.concatenate([ranks[is_zero], ranks[~is_zero]])

    def smallest(self, starts: Indices, stops: Indices, orders: Indices) -> FloatArray:
        """Of the values from a start to before a stop that of an order, 0 for the smallest. Shape: `(M,)`."""
        ranks = np.zeros(len(starts), np.int32)
        edges = np.stack([starts, stops]).astype(np.int32)
        orders = orders.astype(np.int32)
        for zeros_before in self._zeros_before:
            zeros = zeros_before[edges]
            n_zeros = zeros[1] - zeros[0]
            is_one = orders >= n_zeros
            ranks = 2 * ranks + is_one
            orders = np.where(is_one, orders - n_zeros, orders)
            edges = np.where(is_one, zeros_before[-1] + edges - zeros, zeros)
        smallest: FloatArray = self._values[ranks]
        return smallest
