"""Orders of clips: every clip once, or every class equally often."""

from __future__ import annotations

from collections import Counter

import pytest

from htsat.data.sampling import BalancedClips, ClipSampler, ShuffledClips
from htsat.errors import DataError
from htsat.labels import LabelSet

LABELS = LabelSet.of(["ant", "bee", "cat", "dog"])
# Ants are everywhere, one clip holds two classes, and the last one none.
CLIPS = [("ant",)] * 20 + [("bee",), ("bee", "cat"), ("cat",), ("dog",), ()]


def indices(sampler: ClipSampler, epoch: int = 0, n_drawn: int = 0) -> list[int]:
    sampler.epoch, sampler.n_drawn = epoch, n_drawn
    return [draw.index for draw in sampler]


def test_shuffling_draws_every_clip_once() -> None:
    assert sorted(indices(ShuffledClips(50, seed=0))) == list(range(50))


def test_every_round_of_balanced_clips_holds_every_class_once() -> None:
    single = [("ant",)] * 90 + [("bee",)] * 3 + [("cat",)] * 6 + [("dog",)]
    drawn = indices(BalancedClips(single, LABELS, seed=0))
    assert Counter(single[index][0] for index in drawn) == dict.fromkeys(LABELS, 25)
    rounds = [[single[index][0] for index in drawn[start : start + 4]] for start in range(0, 100, 4)]
    assert all(set(names) == set(LABELS) for names in rounds)
    assert len({tuple(names) for names in rounds}) > 10, "every round has its own order"


def test_the_clips_of_a_class_are_drawn_evenly() -> None:
    clips = BalancedClips([("ant",)] * 4 + [("bee",)] * 1996, LabelSet.of(["ant", "bee"]), seed=0)
    counts = Counter(index for index in indices(clips) if index < 4)
    assert sum(counts.values()) == 1000
    assert all(abs(count - 250) < 60 for count in counts.values())


def test_an_epoch_is_as_long_as_the_data_even_within_a_round() -> None:
    for n_clips in (25, 26, 27):
        clips = BalancedClips((CLIPS * 2)[:n_clips], LABELS, seed=0)
        assert len(indices(clips)) == len(clips) == n_clips


def test_a_clip_of_two_classes_is_drawn_for_both() -> None:
    clips = BalancedClips([("ant", "bee"), ("ant",), ("bee",)] * 100, LabelSet.of(["ant", "bee"]), seed=0)
    n_of_both = sum(index % 3 == 0 for index in indices(clips))
    assert abs(n_of_both - 150) < 25


def test_clips_of_no_class_are_never_drawn_for_balance() -> None:
    clips = BalancedClips(CLIPS, LABELS, seed=0)
    assert all(24 not in indices(clips, epoch) for epoch in range(20))


@pytest.mark.parametrize(
    "make",
    [lambda seed: ShuffledClips(25, seed), lambda seed: BalancedClips(CLIPS, LABELS, seed)],
    ids=["shuffled", "balanced"],
)
def test_an_order_depends_on_seed_and_epoch_alone(make) -> None:  # type: ignore[no-untyped-def]
    clips = make(3)
    later = indices(clips, epoch=1)
    assert indices(clips, epoch=0) == indices(make(3), epoch=0)
    assert indices(make(3), epoch=1) == later
    assert indices(make(3), epoch=0) != later
    assert indices(make(4), epoch=1) != later
    assert {draw.epoch for draw in clips} == {0}
    assert indices(make(3), epoch=1, n_drawn=10) == later[10:]


def test_a_class_without_a_clip_is_named() -> None:
    with pytest.raises(DataError, match=r"needs a clip of every class to learn from, got none of 'bee'$"):
        BalancedClips([("ant",), ("cat",), ("dog",)], LABELS, seed=0)
    with pytest.raises(DataError, match=r"got none of 'bee' \(and 2 more\)$"):
        BalancedClips([("ant",)], LABELS, seed=0)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(DataError, match="unknown class 'antt'; did you mean 'ant'"):
        BalancedClips([("antt",)], LABELS, seed=0)


def test_a_clip_that_is_drawn_again_in_an_epoch_is_another_take() -> None:
    sampler = BalancedClips([("ant",)] * 9 + [("bee",)], LabelSet.of(["ant", "bee"]), seed=0)
    draws = list(sampler)
    assert len(set(draws)) == len(draws)
    assert sorted(draw.take for draw in draws if draw.index == 9) == list(range(5))
    sampler.n_drawn = 4
    assert list(sampler) == draws[4:]
