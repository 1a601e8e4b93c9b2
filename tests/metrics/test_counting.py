import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from htsat.metrics.counting import Counts


def counts(*columns):
    return Counts(*(np.array(column, np.intp) for column in columns))


def test_f_scores_equal_scikit_learn():
    rng = np.random.default_rng(0)
    true, heard = rng.random((2, 100, 8)) < 0.3
    counted = counts((true & heard).sum(0), (~true & heard).sum(0), (true & ~heard).sum(0))
    np.testing.assert_allclose(counted.f_scores(), f1_score(true, heard, average=None))
    assert counted.macro_f() == pytest.approx(f1_score(true, heard, average="macro"))
    assert counted.micro_f() == pytest.approx(f1_score(true, heard, average="micro"))


def test_a_class_without_true_positives_counts_zero():
    # Nothing detected; only false detections.
    counted = counts([4, 0, 0], [0, 0, 3], [0, 5, 5])
    np.testing.assert_array_equal(counted.f_scores(), [1, 0, 0])
    assert counted.macro_f() == pytest.approx(1 / 3)


def test_a_class_without_reference_is_not_in_the_macro():
    # The second class is only detected, the third is in neither list.
    counted = counts([4, 0, 0], [0, 2, 0], [0, 0, 0])
    np.testing.assert_array_equal(counted.f_scores(), [1, 0, np.nan])
    assert counted.macro_f() == 1
    assert counted.micro_f() == pytest.approx(8 / 10)


def test_without_any_event_there_is_no_figure():
    nothing = counts([0, 0], [0, 0], [0, 0])
    assert math.isnan(nothing.macro_f())
    assert math.isnan(nothing.micro_f())
