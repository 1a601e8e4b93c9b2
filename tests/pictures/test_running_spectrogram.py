from __future__ import annotations

import numpy as np
import pytest

from htsat.pictures.running_spectrogram import RunningSpectrogram
from htsat.pictures.spectrogram import between, log_mel


def heard(waveform, sample_rate, n_at_once, **settings):
    running = RunningSpectrogram(sample_rate, **settings)
    for first in range(0, len(waveform), n_at_once):
        running.push(waveform[first : first + n_at_once])
    return running.finish()


@pytest.mark.parametrize("sample_rate", [100, 8000, 22050])
@pytest.mark.parametrize("n_at_once", [1, 799, 5000, 10**6])
def test_blocks_give_the_spectrogram_of_the_whole(sample_rate, n_at_once):
    n_samples = 3 if n_at_once == 1 else 2 * sample_rate + 41
    waveform = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32)
    running, whole = heard(waveform, sample_rate, n_at_once), log_mel(waveform, sample_rate)
    np.testing.assert_allclose(running.decibels, whole.decibels, atol=1e-3)
    assert running[1:] == whole[1:]


def test_columns_of_long_recordings_are_means():
    waveform = np.random.default_rng(0).standard_normal(8000 * 3 + 41).astype(np.float32)
    fine, coarse = heard(waveform, 8000, 1000), heard(waveform, 8000, 1000, max_columns=40)
    assert fine.decibels.shape == (80, 301)
    assert coarse.decibels.shape == (80, 76)
    assert coarse.column_s == pytest.approx(0.04)
    power = 10 ** (fine.decibels / 10)
    for column, first in ((5, 20), (75, 300)):
        expected = 10 * np.log10(power[:, first : first + 4].mean(axis=1))
        np.testing.assert_allclose(coarse.decibels[:, column], expected, atol=1e-3)


def test_a_part_has_the_columns_of_its_time_and_not_more_than_wanted():
    waveform = np.random.default_rng(0).standard_normal(8000 * 4).astype(np.float32)
    whole = log_mel(waveform, 8000)
    part = between(whole, 1.0, 3.0, max_columns=100)
    assert part.decibels.shape == (80, 100)
    assert (part.column_s, part.duration_s) == (pytest.approx(0.02), 2.0)
    power = 10 ** (whole.decibels / 10)
    np.testing.assert_allclose(part.decibels[:, 0], 10 * np.log10(power[:, 100:102].mean(axis=1)), atol=1e-3)
    np.testing.assert_allclose(between(whole, 0, 4).decibels, whole.decibels, atol=1e-3)
