from collections.abc import Iterator

import numpy as np
import pytest

from htsat.evaluation.shifts import shift_samples, shifted, stretch
from htsat.scores import FloatArray

SAMPLES = np.arange(1, 1001, dtype=np.float32)


def blocks(size: int, samples: FloatArray = SAMPLES) -> Iterator[FloatArray]:
    """Blocks whose memory is used again, as a decoder may do."""
    memory = np.zeros(size, np.float32)
    for start in range(0, len(samples), size):
        part = samples[start : start + size]
        memory[: len(part)] = part
        yield memory[: len(part)]


def joined(parts: Iterator[FloatArray]) -> FloatArray:
    return np.concatenate([np.empty(0, np.float32), *(part.copy() for part in parts)])


def test_the_official_shifts_grow_by_a_hundred_each_time() -> None:
    assert shift_samples(10) == (0, 100, 300, 600, 1000, 1500, 2100, 2800, 3600, 4500)
    assert shift_samples(1) == (0,)


@pytest.mark.parametrize("size", [1, 7, 250, 5000])
@pytest.mark.parametrize("n_samples", [0, 1, 250, 999, 1000, 1300, 4500])
def test_a_shift_turns_the_recording_in_a_circle(size: int, n_samples: int) -> None:
    np.testing.assert_array_equal(joined(shifted(blocks(size), n_samples)), np.roll(SAMPLES, -n_samples))


def test_nothing_can_be_shifted() -> None:
    assert list(shifted(iter([]), 100)) == []


@pytest.mark.parametrize("size", [1, 7, 250, 5000])
@pytest.mark.parametrize(
    ("start", "stop"), [(0, None), (0, 10), (3, 3), (249, 251), (300, None), (990, 2000), (1000, None)]
)
def test_a_stretch_is_a_slice(size: int, start: int, stop: int | None) -> None:
    np.testing.assert_array_equal(joined(stretch(blocks(size), start, stop)), SAMPLES[start:stop])


def test_what_would_lie_before_the_recording_is_not_there() -> None:
    assert list(stretch(blocks(100), -50, -20)) == []
    np.testing.assert_array_equal(joined(stretch(blocks(100), -50, 20)), SAMPLES[:20])


def test_nothing_is_read_behind_a_stretch() -> None:
    source = blocks(100)
    joined(stretch(source, 50, 150))
    assert next(source)[0] == SAMPLES[200]
