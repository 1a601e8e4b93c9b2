import numpy as np
import pytest

from htsat.data.augment import (
    WaveformAugmentation,
    add_noise,
    change_speed,
    middle_crop,
    random_crop,
    repeat_to,
)

TONE = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)


def _rng():
    return np.random.default_rng(1)


def _peak_hz(waveform):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return spectrum.argmax() * 16_000 / len(waveform)


def test_speed_moves_length_and_pitch_together():
    changed = change_speed(TONE, 1.25, _rng())
    speed = len(TONE) / len(changed)
    assert 0.8 <= speed <= 1.25
    assert speed != 1.0
    assert _peak_hz(changed) == pytest.approx(1000 * speed, rel=2e-3)


def test_speed_one_is_off():
    assert change_speed(TONE, 1.0, _rng()) is TONE


def test_noise_lies_15_to_45_db_below_the_clip():
    for seed in range(20):
        noise = add_noise(TONE, np.random.default_rng(seed)) - TONE
        below_db = 10 * np.log10(np.mean(TONE**2) / np.mean(noise**2))
        assert 14.5 < below_db < 45.5


def test_crops_are_parts_of_the_clip():
    ramp = np.arange(100, dtype=np.float32)
    crop = random_crop(ramp, 30, _rng())
    np.testing.assert_array_equal(crop, np.arange(crop[0], crop[0] + 30))
    np.testing.assert_array_equal(middle_crop(ramp, 30), np.arange(35, 65))


def test_short_clips_are_repeated():
    np.testing.assert_array_equal(repeat_to(np.array([1, 2, 3], np.float32), 7), [1, 2, 3, 1, 2, 3, 1])


def test_the_same_generator_gives_the_same_clip():
    augmentation = WaveformAugmentation()
    first, again = (augmentation(TONE, 8_000, _rng()) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (8_000,)
    assert first.dtype == np.float32


def test_switched_off_it_changes_nothing():
    off = WaveformAugmentation(speed=1.0, time_roll=False, gain_db=0.0, noise_probability=0.0)
    np.testing.assert_array_equal(off(TONE, len(TONE), _rng()), TONE)
