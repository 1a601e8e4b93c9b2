"""From sound to log-mel: short-time power spectrum, Slaney mel filters, decibels.

B batch, L samples, M mel frames, F mel bins, S bins of the spectrum.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0
POWER_FLOOR = 1e-10


def hz_to_mel(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's mel scale: linear below 1 kHz, logarithmic above."""
    above = _BREAK_MEL + np.log(np.maximum(frequency_hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(frequency_hz < _BREAK_HZ, frequency_hz / _LINEAR_HZ_PER_MEL, above)


def mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of `hz_to_mel`."""
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, above)


def mel_filterbank(sample_rate: int, n_fft: int, n_mels: int, min_hz: float, max_hz: float) -> Tensor:
    """Triangular mel filters of equal area.

    Shape: `(S, F)` with `S = n_fft // 2 + 1`, float32. Source: official behaviour 1 (Slaney scale and norm).
    """
    ends = hz_to_mel(np.array([min_hz, max_hz]))
    corners_hz = mel_to_hz(np.linspace(ends[0], ends[1], n_mels + 2))
    bins_hz = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    slopes = np.diff(corners_hz)
    distance = corners_hz[:, None] - bins_hz[None, :]  # (F + 2, S)
    rising = -distance[:-2] / slopes[:-1, None]
    falling = distance[2:] / slopes[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = (corners_hz[2:] - corners_hz[:-2]) / 2.0
    return torch.from_numpy((triangles / area[:, None]).T.astype(np.float32).copy())


class LogMel(nn.Module):
    """Log-mel spectrogram in decibels, silence at exactly -100 dB.

    The filterbank is part of the state: published checkpoints carry their own, which need not be the one
    that their settings would build (official behaviour 1, "the 16 kHz trap").

    Shape: `(B, L)` -> `(B, M, F)` with `M = L // hop_length + 1`. Computed in float32 under autocast too.
    """

    def __init__(self, n_fft: int, hop_length: int, filterbank: Tensor) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.register_buffer("filterbank", filterbank)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.filterbank: Tensor
        self.window: Tensor

    def forward(self, waveform: Tensor) -> Tensor:
        """Return the log-mel of waveforms in about [-1, 1]."""
        with torch.autocast(waveform.device.type, enabled=False):
            spectrum = torch.stft(
                waveform.float(),
                self.n_fft,
                self.hop_length,
                window=self.window,
                center=True,
                pad_mode="reflect",
                return_complex=True,
            )  # (B, S, M)
            power = spectrum.real.square() + spectrum.imag.square()
            mel = power.transpose(1, 2) @ self.filterbank  # (B, M, F)
            return 10.0 * torch.log10(mel.clamp(min=POWER_FLOOR))
