"""Orders of clips: every clip once, or every class equally often."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from htsat.data.dataset import Draw
from htsat.data.manifest import Clip
from htsat.data.sampling import (
    BalancedClips,
    ClipSampler,
    PartSampler,
    ShuffledClips,
    StreamedClips,
    WeightedClips,
    inverse_frequency_weights,
    occurrences,
)
from htsat.errors import DataError
from htsat.labels import LabelSet
from htsat.processes import Processes

LABELS = LabelSet.of(["ant", "bee", "cat", "dog"])
# Ants are everywhere, one clip holds two classes, and the last one none.
CLIPS = [("ant",)] * 20 + [("bee",), ("bee", "cat"), ("cat",), ("dog",), ()]


def indices(sampler: ClipSampler, epoch: int = 0) -> list[int]:
    return sampler.epoch(epoch).indices.tolist()


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
        assert len(indices(clips)) == clips.n_clips == n_clips


def test_a_clip_of_two_classes_is_drawn_for_both() -> None:
    clips = BalancedClips([("ant", "bee"), ("ant",), ("bee",)] * 100, LabelSet.of(["ant", "bee"]), seed=0)
    n_of_both = sum(index % 3 == 0 for index in indices(clips))
    assert abs(n_of_both - 150) < 25


def test_clips_of_no_class_are_never_drawn_for_balance() -> None:
    clips = BalancedClips(CLIPS, LABELS, seed=0)
    assert all(24 not in indices(clips, epoch) for epoch in range(20))


SHARDS = ["a"] * 8 + ["b"] * 12 + ["c"] * 5
MAKERS = {
    "shuffled": lambda seed: ShuffledClips(25, seed),
    "balanced": lambda seed: BalancedClips(CLIPS, LABELS, seed),
    "weighted": lambda seed: WeightedClips(range(25), seed),
    "streamed": lambda seed: StreamedClips(SHARDS, seed),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_an_order_depends_on_seed_and_epoch_alone(make: Callable[[int], ClipSampler]) -> None:
    clips = make(3)
    later = indices(clips, epoch=1)
    assert indices(clips, epoch=0) == indices(make(3), epoch=0)
    assert indices(make(3), epoch=1) == later
    assert indices(make(3), epoch=0) != later
    assert indices(make(4), epoch=1) != later


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_an_epoch_can_be_longer_than_the_data(make: Callable[[int], ClipSampler]) -> None:
    draws = make(3).epoch(0, n_draws=60)
    assert len(draws) == 60
    assert draws.indices[:25].tolist() == indices(make(3))
    stretch = draws.between(10, 60)
    assert len(set(draws.between(0, 60))) == 60, "a clip that comes again is another take"
    assert stretch == draws.between(0, 60)[10:]


def test_a_class_without_a_clip_is_named() -> None:
    with pytest.raises(DataError, match=r"needs a clip of every class to learn from, got none of 'bee'$"):
        BalancedClips([("ant",), ("cat",), ("dog",)], LABELS, seed=0)
    with pytest.raises(DataError, match=r"got none of 'bee' \(and 2 more\)$"):
        BalancedClips([("ant",)], LABELS, seed=0)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(DataError, match="unknown class 'antt'; did you mean 'ant'"):
        BalancedClips([("antt",)], LABELS, seed=0)


def test_occurrences_are_counted_from_the_beginning() -> None:
    order = np.random.default_rng(0).integers(6, size=200)
    seen: Counter[int] = Counter()
    for index, count in zip(order.tolist(), occurrences(order).tolist(), strict=True):
        assert count == seen[index]
        seen[index] += 1


def test_weights_say_how_often_a_clip_is_drawn() -> None:
    sampler = WeightedClips([0.0, 1.0, 3.0, 0.0], seed=0)
    drawn = Counter(sampler.epoch(0, n_draws=8_000).indices.tolist())
    assert set(drawn) == {1, 2}
    assert drawn[2] / drawn[1] == pytest.approx(3.0, rel=0.1)
    with pytest.raises(DataError, match="weighted sampling needs a clip whose weight is above 0"):
        WeightedClips([0.0, 0.0], seed=0)


def test_inverse_frequency_gives_every_class_the_same_weight() -> None:
    clips = [Clip(Path(f"{index}.wav"), labels) for index, labels in enumerate(CLIPS)]
    weights = inverse_frequency_weights(clips)
    for label in ("ant", "dog"):
        own = [weight for weight, clip in zip(weights, clips, strict=True) if clip.labels == (label,)]
        assert sum(own) == pytest.approx(1.0)
    both = next(weight for weight, clip in zip(weights, clips, strict=True) if len(clip.labels) == 2)
    assert both == pytest.approx(0.5 + 0.5)
    assert weights[-1] == 1.0, "clips of no class count as a class"
    heavy = [dataclasses.replace(clip, weight=2.0) for clip in clips]
    assert inverse_frequency_weights(heavy) == [2 * weight for weight in weights]


def test_a_stream_reads_every_shard_forwards_and_every_clip_once() -> None:
    shards = [f"shard-{index % 40}" for index in range(1000)]
    order = indices(StreamedClips(shards, seed=0))
    assert sorted(order) == list(range(1000))
    for shard in set(shards):
        of_shard = [index for index in order if shards[index] == shard]
        assert of_shard == sorted(of_shard)
    open_shards = [{shards[index] for index in order[start : start + 400]} for start in (0, 400, 800)]
    assert [len(names) for names in open_shards] == [16, 16, 8]
    assert sum(shards[one] == shards[two] for one, two in pairwise(order)) < 120, "neighbours differ"


@pytest.mark.parametrize("n_processes", [1, 2, 4])
@pytest.mark.parametrize("n_parts", [1, 2])
def test_processes_share_every_part(n_processes: int, n_parts: int) -> None:
    def parts(rank: int, n: int) -> list[list[Draw]]:
        sampler = PartSampler(ShuffledClips(37, seed=0), 16, n_parts, Processes(rank, n))
        sampler.epoch = 2
        assert len(sampler) == len(list(sampler)) == 2 * n_parts
        return list(sampler)

    together = [
        [draw for share in shares for draw in share]
        for shares in zip(*(parts(rank, n_processes) for rank in range(n_processes)), strict=True)
    ]
    assert together == parts(0, 1)
    assert len({draw.index for part in together for draw in part}) == 32, "nothing twice, a rest is left"


def test_a_run_can_begin_within_an_epoch() -> None:
    sampler = PartSampler(ShuffledClips(100, seed=0), 16, 2)
    whole = list(sampler)
    sampler.n_batches_done = 4
    assert list(sampler) == whole[8:]


def test_fewer_clips_than_a_batch_are_drawn_several_times() -> None:
    (part,) = PartSampler(ShuffledClips(5, seed=0), 16)
    assert len(part) == len(set(part)) == 16
    assert Counter(draw.index for draw in part).keys() == set(range(5))
