from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import soxr

from htsat.audio.blocks import mix_down, mono_blocks
from htsat.errors import AudioError
from htsat.scores import FloatArray


def cut(waveform: FloatArray, n_samples: int) -> list[FloatArray]:
    return [waveform[start : start + n_samples] for start in range(0, len(waveform), n_samples)]


@pytest.mark.parametrize("rates", [(8000, 32_000), (44_100, 32_000), (192_000, 16_000), (100, 3200)])
@pytest.mark.parametrize("n_samples", [100, 777, 1_000_000])
def test_resampling_block_by_block_is_resampling_the_whole(
    noise: Callable[[int], FloatArray], rates: tuple[int, int], n_samples: int
) -> None:
    whole = noise(round(1.5 * rates[0]) + 1)
    blocks = list(mono_blocks(cut(whole, n_samples), *rates))
    np.testing.assert_array_equal(np.concatenate(blocks), soxr.resample(whole, *rates, quality="HQ"))


def test_the_right_rate_is_left_as_it_is(noise: Callable[[int], FloatArray]) -> None:
    whole = noise(2500)
    blocks = list(mono_blocks(cut(whole, 7), 1000, 1000))
    assert [len(block) for block in blocks] == [1000, 1000, 500]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


@pytest.mark.parametrize("n_samples", [10, 1000, 50_000])
def test_no_block_is_empty_or_much_longer_than_a_second(
    noise: Callable[[int], FloatArray], n_samples: int
) -> None:
    lengths = [len(block) for block in mono_blocks(cut(noise(50_000), n_samples), 8000, 16_000)]
    assert min(lengths) > 0
    assert max(lengths) < 2 * 16_000
    assert sum(lengths) == 100_000


@pytest.mark.parametrize("n_channels", [1, 2, 6, 32])
def test_equal_channels_mix_to_themselves(noise: Callable[[int], FloatArray], n_channels: int) -> None:
    np.testing.assert_allclose(mix_down(np.tile(noise(50), (n_channels, 1))), noise(50), rtol=1e-5)


def test_the_mix_is_the_mean() -> None:
    np.testing.assert_array_equal(mix_down(np.array([[1.0, 0.0], [0.5, -1.0]])), [0.75, -0.5])


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_signed_integers_fill_minus_one_to_one(dtype: type[np.signedinteger]) -> None:
    limits = np.iinfo(dtype)
    mono = mix_down(np.array([[limits.min, 0, limits.max]], dtype))
    np.testing.assert_allclose(mono, [-1, 0, 1], atol=0.01)
    assert mono.dtype == np.float32


def test_unsigned_integers_are_silent_in_their_middle() -> None:
    np.testing.assert_array_equal(mix_down(np.array([[0, 128, 192]], np.uint8)), [-1, 0, 0.5])


@pytest.mark.parametrize("dtype", [np.int64, np.complex64, np.bool_, "U1"])
def test_other_types_of_samples_are_refused(dtype: type[np.generic]) -> None:
    with pytest.raises(AudioError, match=f"integers of up to 32 bits, got {np.dtype(dtype)}"):
        mix_down(np.zeros((1, 5), dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused_with_their_time(value: float) -> None:
    waveform = np.zeros(5000, np.float32)
    waveform[1234] = waveform[4000] = value
    with pytest.raises(AudioError, match=r"^contains NaN or infinite samples \(first at 1\.234 s\)$"):
        list(mono_blocks(cut(waveform, 300), 1000, 2000))


def test_samples_that_would_overflow_later_are_refused() -> None:
    with pytest.raises(AudioError, match=r"^contains absurdly large samples \(first at 0\.002 s\)$"):
        list(mono_blocks([np.array([0, 0, -1e20], np.float32)], 1000, 1000))


def test_clipping_silence_and_unscaled_integers_are_fine() -> None:
    waveform = np.array([0, 1, -1, 0, 2.0**31], np.float32)
    np.testing.assert_array_equal(np.concatenate(list(mono_blocks([waveform], 1000, 1000))), waveform)


def test_a_sound_of_less_than_one_sample_is_refused() -> None:
    with pytest.raises(AudioError, match=r"^is too short: less than one sample at 16000 Hz$"):
        list(mono_blocks([np.ones(2, np.float32)], 192_000, 16_000))
