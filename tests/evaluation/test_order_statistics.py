from __future__ import annotations

import numpy as np
import pytest

from htsat.evaluation.order_statistics import OrderStatistics


@pytest.mark.parametrize("n_values", [1, 2, 3, 16, 17, 1000])
def test_as_sorted(n_values):
    rng = np.random.default_rng(n_values)
    row = rng.permutation(n_values)[rng.integers(n_values, size=200)].astype(np.float32) / 7
    starts = rng.integers(0, 200, size=500)
    stops = np.array([rng.integers(start + 1, 201) for start in starts])
    orders = np.array([rng.integers(stop - start) for start, stop in zip(starts, stops, strict=True)])
    stretches = zip(starts, stops, orders, strict=True)
    expected = [np.sort(row[start:stop])[order] for start, stop, order in stretches]
    np.testing.assert_array_equal(OrderStatistics(row).smallest(starts, stops, orders), expected)
