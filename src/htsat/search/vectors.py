"""Directions of vectors: what cosine similarity compares.

n vectors of D values.
"""

from __future__ import annotations

import numpy as np

from htsat.errors import DataError
from htsat.scores import FloatArray


def units(vectors: FloatArray) -> FloatArray:
    """Vectors of length 1; one of zeros stays, and is similar to nothing. Shape: `(..., D)` -> the same."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: FloatArray = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
    return unit


def direction(vectors: FloatArray) -> FloatArray:
    """The direction in which vectors point together: the mean of their directions. Shape: `(n, D)` -> `(D,)`.

    Raises:
        DataError: when there is none.
    """
    if not np.isfinite(vectors).all():
        raise DataError("the query has values that are not finite")
    mean = units(units(vectors).mean(axis=0))
    if not mean.any():
        raise DataError("the query points nowhere: its vectors are zero, or cancel each other")
    return mean
