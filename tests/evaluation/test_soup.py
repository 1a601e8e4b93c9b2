from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from htsat.errors import DataError
from htsat.evaluation.soup import Method, Soup, make_soup
from htsat.metrics.summary import Summary


def summary(mean_average_precision: float) -> Summary[float]:
    return Summary(None, mean_average_precision, 0.5, 0.0)


def soup(method: Method, scores: dict[tuple[int, ...], float]) -> Soup:
    """The soup of members whose means have these scores; others are not to be asked for."""
    n_members = sum(len(members) == 1 for members in scores)

    def score(members: Sequence[int]) -> Summary[float]:
        return summary(scores[tuple(members)])

    return make_soup(method, n_members, score)


def test_the_uniform_soup_takes_all_whatever_they_score() -> None:
    made = soup("uniform", {(0,): 0.9, (1,): 0.1, (0, 1): 0.05})
    assert made == Soup((0, 1), (summary(0.9), summary(0.1)), summary(0.05))


def test_the_greedy_soup_begins_with_the_best_and_leaves_out_what_lowers_the_score() -> None:
    scores = {(0,): 0.5, (1,): 0.7, (2,): 0.6, (3,): 0.4}
    tried = {(1, 2): 0.65, (1, 0): 0.75, (1, 0, 3): 0.74}
    made = soup("greedy", scores | tried)
    assert made.kept == (1, 0)
    assert made.after == summary(0.75)
    assert made.before == tuple(summary(score) for score in scores.values())


def test_the_greedy_soup_lets_in_what_changes_nothing() -> None:
    assert soup("greedy", {(0,): 0.5, (1,): 0.5, (0, 1): 0.5}).kept == (0, 1)


@pytest.mark.parametrize("after", [0.1, 0.69])
def test_the_greedy_soup_is_never_worse_than_its_best_member(after: float) -> None:
    made = soup("greedy", {(0,): 0.7, (1,): 0.6, (0, 1): after})
    assert made.kept == (0,)
    assert made.after == made.before[0]


def test_nothing_is_chosen_where_there_is_nothing_to_choose_by() -> None:
    """A uniform soup needs no figures; a greedy one does."""
    unknown = dict.fromkeys([(0,), (1,), (0, 1)], math.nan)
    assert soup("uniform", unknown).kept == (0, 1)
    with pytest.raises(DataError, match="no recording has any class"):
        soup("greedy", unknown)
