import math

import numpy as np
import pytest

from htsat.data.augment import (
    CropPlan,
    WaveformAugmentation,
    add_white_noise,
    amplify,
    band_gains_db,
    change_speed,
    filter_bands,
    middle_crop,
    mix_noise,
    repeat_to,
)
from htsat.errors import ConfigError

RATE = 16_000
TONE = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
NOISE = np.random.default_rng(9).standard_normal(RATE, np.float32)
OFF = {"speed": 1.0, "time_roll": False, "gain_db": 0.0, "noise_probability": 0.0}


def _rng(seed=1):
    return np.random.default_rng(seed)


def _peak_hz(waveform):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return spectrum.argmax() * RATE / len(waveform)


def _level_db(waveform):
    return 10 * math.log10(np.mean(np.square(waveform, dtype=np.float64)))


def _plans(augmentation, clip_samples=RATE, n=2000):
    rng = _rng()
    return [augmentation.plan(clip_samples, RATE, rng) for _ in range(n)]


def _clip(augmentation, waveform, clip_samples, noise=None, seed=1):
    """As the data set makes it, from the beginning of a recording."""
    rng = _rng(seed)
    plan = augmentation.plan(clip_samples, RATE, rng)
    return augmentation.apply(waveform[: plan.n_samples], plan, clip_samples, rng, noise).waveform


# Speed and length


@pytest.mark.parametrize("speed", [0.8, 1.1, 1.25])
def test_speed_moves_length_and_pitch_together(speed):
    changed = change_speed(TONE, speed)
    assert len(TONE) / len(changed) == pytest.approx(speed, rel=1e-4)
    assert _peak_hz(changed) == pytest.approx(1000 * speed, rel=2e-3)


def test_speed_one_is_off():
    assert change_speed(TONE, 1.0) is TONE


def test_speeds_are_log_uniform_on_both_sides_of_one():
    logs = np.log([plan.speed for plan in _plans(WaveformAugmentation(speed=1.25))]) / math.log(1.25)
    assert -1 <= logs.min() < -0.99
    assert 0.99 < logs.max() <= 1
    assert np.histogram(logs, bins=4, range=(-1, 1))[0] == pytest.approx(500, rel=0.15)


def test_a_plan_asks_for_just_enough_samples_at_its_speed():
    for plan in _plans(WaveformAugmentation(), clip_samples=3001, n=100):
        assert plan.n_samples - 1 < 3001 * plan.speed <= plan.n_samples
        heard = change_speed(np.zeros(plan.n_samples, np.float32), plan.speed)
        assert 3001 <= len(heard) <= 3002


def test_short_stretches_have_any_length_down_to_the_shortest():
    augmentation = WaveformAugmentation(speed=1.0, short_probability=0.5, min_length_s=1.0)
    lengths = np.array([plan.n_samples for plan in _plans(augmentation, clip_samples=10 * RATE)])
    short = lengths[lengths < 10 * RATE] / RATE
    assert len(short) == pytest.approx(1000, rel=0.1)
    assert np.histogram(short, bins=9, range=(1, 10))[0] == pytest.approx(len(short) / 9, rel=0.35)
    assert short.min() >= 1


def test_no_stretch_is_longer_than_the_clip():
    augmentation = WaveformAugmentation(speed=1.0, short_probability=1.0, min_length_s=30.0)
    assert {plan.n_samples for plan in _plans(augmentation, n=20)} == {RATE}


def test_a_short_stretch_is_repeated_to_a_clip():
    augmentation = WaveformAugmentation(**OFF, short_probability=1.0, min_length_s=0.1)
    n_heard = augmentation.plan(RATE, RATE, _rng()).n_samples
    assert n_heard < RATE
    np.testing.assert_array_equal(_clip(augmentation, NOISE, RATE), np.resize(NOISE[:n_heard], RATE))


def test_short_recordings_are_repeated():
    np.testing.assert_array_equal(repeat_to(np.array([1, 2, 3], np.float32), 7), [1, 2, 3, 1, 2, 3, 1])
    assert _clip(WaveformAugmentation(), TONE[:500], RATE).shape == (RATE,)


def test_the_middle_crop_is_the_middle():
    np.testing.assert_array_equal(middle_crop(np.arange(100, dtype=np.float32), 30), np.arange(35, 65))


# Loudness and noise


def test_gain_is_what_it_says():
    assert _level_db(amplify(TONE, -6.0)) == pytest.approx(_level_db(TONE) - 6, abs=1e-4)
    levels = [
        _level_db(_clip(WaveformAugmentation(**OFF | {"gain_db": 6.0}), TONE, RATE, seed=s))
        for s in range(99)
    ]
    changes = np.array(levels) - _level_db(TONE)
    assert -6 <= changes.min() < -5
    assert 5 < changes.max() <= 6


def test_white_noise_lies_15_to_45_db_below_the_clip():
    for seed in range(20):
        noise = add_white_noise(TONE, _rng(seed)) - TONE
        assert 14.5 < _level_db(TONE) - _level_db(noise) < 45.5


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 30.0])
@pytest.mark.parametrize("loudness", [1e-4, 1.0, 300.0])
def test_background_noise_lies_as_far_below_the_clip_as_was_asked(snr_db, loudness):
    added = mix_noise(TONE, (loudness * NOISE).astype(np.float32), snr_db).astype(np.float64) - TONE
    assert _level_db(TONE) - _level_db(added) == pytest.approx(snr_db, abs=0.01)
    assert np.corrcoef(added, NOISE)[0, 1] > 0.999


def test_background_noise_of_another_length_is_repeated_or_cut():
    longer = np.concatenate((NOISE, np.ones(5, np.float32)))
    np.testing.assert_array_equal(mix_noise(TONE, longer, 10.0), mix_noise(TONE, NOISE, 10.0))
    repeated = mix_noise(TONE, np.resize(NOISE[:700], RATE), 10.0)
    np.testing.assert_array_equal(mix_noise(TONE, NOISE[:700], 10.0), repeated)


@pytest.mark.parametrize("silence", [np.zeros(RATE, np.float32), np.full(RATE, 1e-30, np.float32)])
def test_nothing_is_mixed_into_or_out_of_silence(silence):
    np.testing.assert_array_equal(mix_noise(silence, NOISE, 10.0), silence)
    np.testing.assert_array_equal(mix_noise(TONE, silence, 10.0), TONE)
    np.testing.assert_array_equal(add_white_noise(np.zeros(9, np.float32), _rng()), np.zeros(9))


def test_plans_say_which_clips_get_background_noise():
    augmentation = WaveformAugmentation(noise_data="noises", mix_probability=0.25, mix_snr_db=(5.0, 15.0))
    distances = [plan.snr_db for plan in _plans(augmentation) if plan.snr_db is not None]
    assert len(distances) == pytest.approx(500, rel=0.15)
    assert 5 <= min(distances) < 5.1
    assert 14.9 < max(distances) <= 15
    assert {plan.snr_db for plan in _plans(WaveformAugmentation(), n=50)} == {None}


def test_background_noise_is_mixed_in_as_planned():
    augmentation = WaveformAugmentation(**OFF, noise_data="noises")
    planned = augmentation.apply(TONE, CropPlan(RATE, 1.0, 12.0), RATE, _rng(), NOISE).waveform
    np.testing.assert_array_equal(planned, mix_noise(TONE, NOISE, 12.0))
    left_alone = augmentation.apply(TONE, CropPlan(RATE, 1.0), RATE, _rng(), NOISE).waveform
    np.testing.assert_array_equal(left_alone, TONE)


# Bands of frequencies


def _borders(gains_db):
    """Where steps lie, in octaves below the highest frequency."""
    frequency = np.linspace(0, 1, len(gains_db))
    return np.log2(frequency[1:][np.diff(gains_db) != 0])


def test_steps_are_three_to_six_bands_of_at_least_half_an_octave():
    numbers = set()
    for seed in range(100):
        gains_db = band_gains_db(20_001, 6.0, "step", _rng(seed))
        borders = np.concatenate(([-8.0], _borders(gains_db), [0.0]))
        numbers.add(len(borders) - 1)
        assert np.diff(borders).min() > 0.49
        assert np.abs(gains_db).max() <= 6
    assert numbers == {3, 4, 5, 6}


def test_lines_join_their_corners_over_octaves():
    for seed in range(20):
        gains_db = band_gains_db(20_001, 6.0, "linear", _rng(seed))
        octaves = np.log2(np.linspace(0, 1, 20_001)[80:])
        slopes = np.diff(gains_db[80:].astype(np.float64)) / np.diff(octaves)
        assert np.abs(slopes).max() <= 12 / 0.5 * 1.05, (
            "no more than from one end to the other in half an octave"
        )
        assert len(set(gains_db[:78].tolist())) == 1, "the same below eight octaves"


@pytest.mark.parametrize("n_samples", [255, 256])
@pytest.mark.parametrize("shape", ["linear", "step"])
def test_filtering_is_a_gain_for_each_frequency(n_samples, shape):
    waveform = NOISE[:n_samples]
    gains_db = band_gains_db(n_samples // 2 + 1, 9.0, shape, _rng(4))
    time = np.arange(n_samples)
    expected = np.zeros(n_samples)
    for cycles, gain_db in enumerate(gains_db):
        wave = np.exp(2j * np.pi * cycles * time / n_samples)
        part = (wave * (waveform * wave.conj()).mean()).real
        is_pair = 0 < cycles < n_samples / 2
        expected += 10 ** (gain_db / 20) * part * (2 if is_pair else 1)
    filtered = filter_bands(waveform, 9.0, shape, _rng(4))
    assert filtered.dtype == np.float32
    np.testing.assert_allclose(filtered, expected, atol=1e-5)


def test_filters_differ_between_clips():
    augmentation = WaveformAugmentation(**OFF, filter_db=6.0)
    first, second = (_clip(augmentation, NOISE, RATE, seed=seed) for seed in (1, 2))
    assert np.abs(first - second).max() > 0.1


# All together


def test_the_same_generator_gives_the_same_clip():
    augmentation = WaveformAugmentation(noise_data="noises", filter_db=6.0, short_probability=0.5)
    first, again, other = (_clip(augmentation, TONE, 8_000, NOISE, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    assert first.shape == (8_000,)
    assert first.dtype == np.float32


def test_the_recording_stays_as_it_was():
    recording, noise = TONE.copy(), NOISE.copy()
    augmentation = WaveformAugmentation(speed=1.0, noise_data="noises", mix_probability=1.0, filter_db=6.0)
    clip = _clip(augmentation, recording, RATE, noise)
    clip[:] = 0
    np.testing.assert_array_equal(recording, TONE)
    np.testing.assert_array_equal(noise, NOISE)


def test_rolling_in_time_keeps_every_sample():
    rolled = _clip(WaveformAugmentation(**OFF | {"time_roll": True}), NOISE, RATE)
    start = int(np.flatnonzero(rolled == NOISE[0])[0])
    assert start > 0
    np.testing.assert_array_equal(np.roll(rolled, -start), NOISE)


def test_switched_off_it_changes_nothing():
    np.testing.assert_array_equal(_clip(WaveformAugmentation(**OFF), TONE, RATE), TONE)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"speed": 0.8}, "augmentation.speed must be at least 1, got 0.8"),
        ({"short_probability": 1.5}, r"augmentation.short_probability must lie in \[0, 1\], got 1.5"),
        ({"mix_probability": -0.1}, r"augmentation.mix_probability must lie in \[0, 1\], got -0.1"),
        ({"noise_probability": 2}, r"augmentation.noise_probability must lie in \[0, 1\], got 2"),
        ({"gain_db": -3.0}, "augmentation.gain_db must not be negative, got -3.0"),
        ({"filter_db": -3.0}, "augmentation.filter_db must not be negative, got -3.0"),
        ({"min_length_s": 0.0}, "augmentation.min_length_s must be positive, got 0.0"),
        ({"mix_snr_db": (10.0, 0.0)}, r"augmentation.mix_snr_db must rise, got \(10.0, 0.0\)"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        WaveformAugmentation(**settings)
