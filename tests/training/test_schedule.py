import math

import pytest

from htsat.training.experiment import Optimisation
from htsat.training.schedule import Progress, learning_rate

OFFICIAL = ((0, 2e-5), (1, 5e-5), (2, 1e-4), (11, 5e-5), (21, 2e-5), (31, 3e-5))


def official_rate(epoch: int) -> float:
    """Official behaviour 9, as a table of one rate per epoch."""
    return ([2e-5, 5e-5] + 9 * [1e-4] + 10 * [5e-5] + 10 * [2e-5] + 69 * [3e-5])[epoch]


@pytest.mark.parametrize(
    ("clips_seen", "expected"),
    [(0, 1e-6), (499, 5e-4), (999, 1e-3), (1000, 1e-3), (1500, 5.05e-4), (2000, 1e-5), (3000, 1e-5)],
)
def test_the_learning_rate_rises_then_falls_like_a_cosine(clips_seen, expected):
    settings = Optimisation(epochs=4, learning_rate=1e-3, final_learning_rate=1e-5, warmup_clips=1000)
    assert math.isclose(learning_rate(settings, Progress(clips_seen, 500)), expected, rel_tol=1e-9)


@pytest.mark.parametrize(("clips_per_epoch", "warmup_clips"), [(100, 100), (1_000, 1_000), (10_000, 2_000)])
def test_the_warm_up_is_a_tenth_of_a_short_run_and_no_longer_than_2000_clips(clips_per_epoch, warmup_clips):
    settings = Optimisation(epochs=10, learning_rate=1e-3)
    rates = [learning_rate(settings, Progress(n, clips_per_epoch)) for n in range(warmup_clips + 2)]
    assert rates[warmup_clips - 2] < rates[warmup_clips - 1] == rates[warmup_clips] == 1e-3
    assert rates[warmup_clips + 1] < 1e-3


def test_a_run_without_warm_up_begins_with_the_full_rate():
    settings = Optimisation(epochs=1, learning_rate=1e-3, warmup_clips=0)
    assert learning_rate(settings, Progress(0, 5)) == 1e-3


@pytest.mark.parametrize("batch_size", [1, 8, 32])
def test_the_rate_depends_on_the_clips_heard_and_not_on_the_size_of_a_batch(batch_size):
    settings = Optimisation(epochs=2, batch_size=batch_size)
    assert learning_rate(settings, Progress(640, 1000)) == learning_rate(
        Optimisation(epochs=2), Progress(640, 1000)
    )


def test_steps_hold_from_the_first_clip_of_their_epoch():
    settings = Optimisation(epochs=100, learning_rate_steps=OFFICIAL)
    for epoch in range(100):
        expected = official_rate(epoch)
        assert learning_rate(settings, Progress(700 * epoch, 700)) == expected
        assert learning_rate(settings, Progress(700 * epoch + 699, 700)) == expected
