from __future__ import annotations

import numpy as np
import pytest

from htsat.pictures.spectrogram import log_mel, mel, mel_filters


def sine(frequency_hz, sample_rate, duration_s=1.0):
    times_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    return np.sin(2 * np.pi * frequency_hz * times_s).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [8000, 32000, 44100])
@pytest.mark.parametrize("frequency_hz", [300, 1000, 3500])
def test_a_sine_stands_at_its_frequency(frequency_hz, sample_rate):
    sound = log_mel(sine(frequency_hz, sample_rate), sample_rate)
    loudest = sound.decibels[:, 10:-10].argmax(axis=0)
    expected = 80 * mel(frequency_hz) / mel(sample_rate / 2) - 0.5
    assert np.abs(loudest - expected).max() <= 1
    assert sound.decibels[:, 10:-10].max() == pytest.approx(0, abs=2.5)


@pytest.mark.parametrize("sample_rate", [8000, 22050, 48000])
@pytest.mark.parametrize("time_s", [0.0, 0.1234, 0.777, 0.999])
def test_a_click_stands_at_its_time(time_s, sample_rate):
    waveform = np.zeros(sample_rate, np.float32)
    waveform[int(time_s * sample_rate)] = 1
    sound = log_mel(waveform, sample_rate)
    assert sound.duration_s == 1
    loudest = int(sound.decibels.sum(axis=0).argmax())
    assert loudest * sound.column_s == pytest.approx(time_s, abs=1.01 * sound.column_s)


def test_columns_of_long_recordings_are_means(monkeypatch):
    waveform = np.random.default_rng(0).standard_normal(8000 * 3 + 41).astype(np.float32)
    fine = log_mel(waveform, 8000)
    monkeypatch.setattr("htsat.pictures.spectrogram._MAX_COLUMNS", 50)
    monkeypatch.setattr("htsat.pictures.spectrogram._CHUNK_FRAMES", 20)
    coarse = log_mel(waveform, 8000)
    assert fine.decibels.shape == (80, 301)
    assert coarse.decibels.shape == (80, 43)
    assert coarse.column_s == pytest.approx(0.07)
    power = 10 ** (fine.decibels / 10)
    np.testing.assert_allclose(coarse.decibels[:, 5], 10 * np.log10(power[:, 35:42].mean(axis=1)), atol=1e-4)
    np.testing.assert_allclose(coarse.decibels[:, -1], 10 * np.log10(power[:, 294:].mean(axis=1)), atol=1e-4)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 32000, 44100, 96000])
def test_every_mel_bin_hears_something(sample_rate):
    n_fft = 2 ** round(np.log2(0.05 * sample_rate))
    assert (mel_filters(80, n_fft, sample_rate).max(axis=0) > 0.1).all()


@pytest.mark.parametrize("n_samples", [1, 79, 80, 81])
def test_the_shortest_recordings_have_a_column(n_samples):
    sound = log_mel(np.ones(n_samples, np.float32), 8000)
    assert sound.decibels.shape == (80, -(-n_samples // 80))
    assert np.isfinite(sound.decibels).all()
