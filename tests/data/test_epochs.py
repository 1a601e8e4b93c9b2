"""No clip comes twice in an epoch and none is skipped, counted by its number, however the work is shared.

What is left out on purpose: the rest of an epoch that fills no batch, always fewer clips than a batch holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain

import pytest

from htsat.data.dataset import Draw
from htsat.data.sampling import BalancedClips, ClipSampler, PartSampler, ShuffledClips, StreamedClips
from htsat.labels import LabelSet
from htsat.processes import Processes

BATCH = 12
"""Pairs of clips for one, two and three processes."""
LABELS = LabelSet(("ant", "bee", "cat"))


def shuffled(n_clips: int) -> ClipSampler:
    return ShuffledClips(n_clips, seed=3)


def streamed(n_clips: int) -> ClipSampler:
    """From shards of unequal size."""
    return StreamedClips([int(number**0.5) for number in range(n_clips)], seed=3)


def balanced(n_clips: int) -> ClipSampler:
    """Ants are rare."""
    return BalancedClips([(LABELS.names[min(number, 2)],) for number in range(n_clips)], LABELS, seed=3)


ONCE = [shuffled, streamed]
N_CLIPS = (BATCH, 23, 60, 101)
Make = Callable[[int], ClipSampler]


def steps(sampler: ClipSampler, epoch: int, n_processes: int, n_done: int = 0) -> list[list[Draw]]:
    """What all processes together hear in each step of an epoch, from one step on."""
    shares = []
    for rank in range(n_processes):
        parts = PartSampler(sampler, BATCH, 1, Processes(rank, n_processes))
        parts.epoch, parts.n_batches_done = epoch, n_done
        shares.append(list(parts))
    return [list(chain.from_iterable(step)) for step in zip(*shares, strict=True)]


def numbers(steps: list[list[Draw]]) -> Counter[int]:
    return Counter(draw.index for step in steps for draw in step)


@pytest.mark.parametrize("make", ONCE)
@pytest.mark.parametrize("n_clips", N_CLIPS)
@pytest.mark.parametrize("n_processes", [1, 2, 3])
def test_every_clip_once_but_for_the_rest(make: Make, n_clips: int, n_processes: int) -> None:
    heard = [numbers(steps(make(n_clips), epoch, n_processes)) for epoch in range(60)]
    rest = n_clips % BATCH
    for one in heard:
        assert max(one.values()) == 1
        assert one.total() == len(one) == n_clips - rest
    assert sum(heard, Counter()).keys() == set(range(n_clips)), "another rest is left every time"


@pytest.mark.parametrize("make", [*ONCE, balanced])
@pytest.mark.parametrize("n_clips", N_CLIPS)
def test_any_number_of_processes_hears_the_same_steps(make: Make, n_clips: int) -> None:
    alone = steps(make(n_clips), 5, 1)
    assert steps(make(n_clips), 5, 2) == steps(make(n_clips), 5, 3) == alone


@pytest.mark.parametrize("make", [*ONCE, balanced])
@pytest.mark.parametrize(("n_before", "n_after"), [(1, 1), (2, 2), (3, 2), (2, 3), (3, 1)])
def test_a_kill_at_any_step_repeats_and_skips_nothing(make: Make, n_before: int, n_after: int) -> None:
    """Heard before the checkpoint and after it, by other numbers of processes: what would have been heard."""
    undisturbed = steps(make(101), 2, 1)
    for n_done in range(len(undisturbed)):
        before = steps(make(101), 2, n_before)[:n_done]
        assert before + steps(make(101), 2, n_after, n_done) == undisturbed


def test_balanced_clips_come_again_as_other_takes() -> None:
    """With classes of unequal size a clip of a rare one must come again: never with the same changes."""
    heard = steps(balanced(60), 0, 3)
    assert numbers(heard)[0] == 20, "the only ant, once in each round of three"
    assert set(Counter(chain.from_iterable(heard)).values()) == {1}
