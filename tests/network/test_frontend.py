from __future__ import annotations

import numpy as np
import pytest
import torch

from htsat.network.frontend import LogMel, hz_to_mel, mel_filterbank, mel_to_hz

SAMPLE_RATE, N_FFT, HOP, N_MELS, MIN_HZ, MAX_HZ = 32_000, 1024, 320, 64, 50.0, 14_000.0


@pytest.fixture(scope="module")
def log_mel() -> LogMel:
    return LogMel(N_FFT, HOP, mel_filterbank(SAMPLE_RATE, N_FFT, N_MELS, MIN_HZ, MAX_HZ))


def centres_hz() -> np.ndarray:
    ends = hz_to_mel(np.array([MIN_HZ, MAX_HZ]))
    return mel_to_hz(np.linspace(ends[0], ends[1], N_MELS + 2))[1:-1]


def test_mel_scale_there_and_back() -> None:
    frequencies_hz = np.linspace(0, 16_000, 1001)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(frequencies_hz)), frequencies_hz, atol=1e-8)


def test_mel_scale_is_that_of_slaney() -> None:
    np.testing.assert_allclose(hz_to_mel(np.array([0.0, 200.0, 1000.0, 6400.0])), [0, 3, 15, 42])


def test_every_filter_is_one_triangle_of_unit_area() -> None:
    filters = mel_filterbank(SAMPLE_RATE, 1 << 16, N_MELS, MIN_HZ, MAX_HZ).double()
    area = filters.sum(dim=0) * SAMPLE_RATE / (1 << 16)
    torch.testing.assert_close(area, torch.ones(N_MELS, dtype=torch.float64), atol=1e-3, rtol=0)
    assert ((filters.diff(dim=0).sign().diff(dim=0) < -1).sum(dim=0) == 1).all()


def test_filters_are_those_of_the_published_checkpoints(golden) -> None:  # type: ignore[no-untyped-def]
    filters = mel_filterbank(SAMPLE_RATE, N_FFT, N_MELS, MIN_HZ, MAX_HZ).numpy()
    np.testing.assert_allclose(filters, golden["melW"], atol=1e-8, rtol=0)
    assert (filters > 0).sum() == 866


@pytest.mark.parametrize("mel_bin", [6, 12, 20, 35, 50, 63])
def test_a_tone_peaks_in_its_mel_bin(log_mel: LogMel, mel_bin: int) -> None:
    time_s = torch.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = 0.5 * torch.sin(2 * torch.pi * float(centres_hz()[mel_bin]) * time_s)
    assert (log_mel(tone[None])[0, 2:-2].argmax(dim=1) == mel_bin).all()


def test_digital_silence_is_exactly_minus_100_db(log_mel: LogMel) -> None:
    assert (log_mel(torch.zeros(2, SAMPLE_RATE)) == -100.0).all()


def test_twice_the_amplitude_is_6_db_more(log_mel: LogMel) -> None:
    sound = 0.1 * torch.randn(1, 8_000, generator=torch.Generator().manual_seed(0))
    gain_db = log_mel(2 * sound) - log_mel(sound)
    torch.testing.assert_close(gain_db, torch.full_like(gain_db, 20 * np.log10(2)), atol=1e-4, rtol=0)


def test_a_frame_every_hop_and_one_more(log_mel: LogMel) -> None:
    assert log_mel(torch.zeros(3, 16_000)).shape == (3, 16_000 // HOP + 1, N_MELS)


def test_a_click_moves_only_the_frames_around_it(log_mel: LogMel) -> None:
    sound = 0.01 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0))
    clicked = sound.clone()
    place = 8_100
    clicked[0, place] += 1.0
    moved = ((log_mel(clicked) - log_mel(sound)).abs().amax(dim=2)[0] > 1e-4).nonzero()[:, 0]
    centres = moved * HOP
    assert len(moved) > 1
    assert ((centres - place).abs() < N_FFT // 2).all()


def test_power_is_that_of_a_plain_fourier_transform(log_mel: LogMel) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal(8_000)
    frame = 7
    windowed = sound[frame * HOP - N_FFT // 2 :][:N_FFT] * (
        0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    )
    power = np.abs(np.fft.rfft(windowed)) ** 2
    expected_db = 10 * np.log10(power @ log_mel.filterbank.double().numpy())
    heard_db = log_mel(torch.tensor(sound, dtype=torch.float32)[None])[0, frame]
    np.testing.assert_allclose(heard_db, expected_db, atol=1e-3)


def test_stays_in_float32_under_autocast(log_mel: LogMel) -> None:
    sound = 0.1 * torch.randn(1, 8_000, generator=torch.Generator().manual_seed(0))
    expected = log_mel(sound)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        heard = log_mel(sound)
    assert heard.dtype == torch.float32
    torch.testing.assert_close(heard, expected, atol=0, rtol=0)
