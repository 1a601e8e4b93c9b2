from __future__ import annotations

import numpy as np
import pytest

from htsat.pictures.pooling import RunningPool


@pytest.mark.parametrize("n_rows", [1, 7, 8, 9, 16, 31, 64, 1000])
@pytest.mark.parametrize("n_at_once", [1, 3, 100])
@pytest.mark.parametrize("combine", [np.add, np.maximum])
def test_rows_are_those_of_the_whole_pooled_at_once(n_rows, n_at_once, combine):
    rows = np.random.default_rng(n_rows).integers(0, 100, (n_rows, 3)).astype(np.float32)
    pool = RunningPool(4, combine)
    for first in range(0, n_rows, n_at_once):
        pool.push(rows[first : first + n_at_once])
    pooled, n_together = pool.finish()
    expected = [combine.reduce(rows[first : first + n_together]) for first in range(0, n_rows, n_together)]
    np.testing.assert_array_equal(pooled, expected)
    assert len(pooled) <= 8
    assert n_together == 1 or len(pooled) >= 4


def test_without_rows_there_is_nothing_to_finish():
    with pytest.raises(ValueError, match="no rows"):
        RunningPool(4, np.add).finish()
