"""What a recording looks like: power by frequency and time, for the eye and not for the network.

L samples, M columns in time, F mel bins.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.scores import FloatArray

HOP_S = 0.01
_WINDOW_S = 0.05
_MAX_COLUMNS = 1500
_CHUNK_FRAMES = 512
_LEAST_POWER = 1e-20


class Spectrogram(NamedTuple):
    """Power in decibels by frequency and time, lowest bin first; a sine of full scale has about 0 dB.

    Shape: `decibels` `(F, M)`. Column `i` covers `i * column_s` to `(i + 1) * column_s` of the recording,
    which ends in the last one. The bins are equally wide in mel, from 0 to `max_hz`.
    """

    decibels: FloatArray
    column_s: float
    duration_s: float
    max_hz: float


def log_mel(waveform: FloatArray, sample_rate: int, n_mels: int = 80) -> Spectrogram:
    """The log-mel spectrogram of a recording, with at most 1500 columns.

    Windows of about 50 ms every 10 ms, each in the middle of its 10 ms; of longer recordings a column is the
    mean power of several windows. Shape: `(L,)`, at least one sample.
    """
    hop = max(1, round(HOP_S * sample_rate))
    window = window_of(sample_rate)
    frames = _frames(waveform, len(window), hop)
    n_together = -(-len(frames) // _MAX_COLUMNS)
    filters = mel_filters(n_mels, len(window), sample_rate)
    chunk = n_together * max(1, _CHUNK_FRAMES // n_together)
    powers = [
        _columns(frames[start : start + chunk] * window, filters, n_together)
        for start in range(0, len(frames), chunk)
    ]
    return Spectrogram(
        decibels(np.concatenate(powers)),
        column_s=n_together * hop / sample_rate,
        duration_s=len(waveform) / sample_rate,
        max_hz=sample_rate / 2,
    )


def window_of(sample_rate: int) -> FloatArray:
    """A Hann window of about 50 ms under which a sine of full scale has power 1."""
    window = np.hanning(2 ** round(np.log2(_WINDOW_S * sample_rate)) + 1)[:-1].astype(np.float32)
    window *= 2 / window.sum()
    return window


def decibels(power: FloatArray) -> FloatArray:
    """Power in decibels, by frequency and time. Shape: `(M, F)` -> `(F, M)`."""
    loudness: FloatArray = 10 * np.log10(np.maximum(power, _LEAST_POWER)).T
    return loudness.astype(np.float32)


def between(sound: Spectrogram, start_s: float, stop_s: float, max_columns: int = 1500) -> Spectrogram:
    """A part of a spectrogram with at most so many columns, each the mean power of those it stands for."""
    first = int(start_s / sound.column_s)
    part = sound.decibels[:, first : max(first + 1, math.ceil(stop_s / sound.column_s))]
    n_together = -(-part.shape[1] // max_columns)
    starts = np.arange(0, part.shape[1], n_together)
    n_columns = np.diff(np.append(starts, part.shape[1]))
    power: NDArray[np.floating] = np.add.reduceat(10 ** (part.T / 10), starts) / n_columns[:, None]
    return sound._replace(
        decibels=decibels(power.astype(np.float32)),
        column_s=sound.column_s * n_together,
        duration_s=stop_s - start_s,
    )


def mel(frequency_hz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """The mel of a frequency (O'Shaughnessy 1987)."""
    return 2595 * np.log10(1 + np.asarray(frequency_hz, np.float64) / 700)


def mel_filters(n_mels: int, n_fft: int, sample_rate: int) -> FloatArray:
    """Triangles that are equally wide in mel, each 1 at its top. Shape: `(n_fft / 2 + 1, F)`."""
    places = mel(np.arange(n_fft // 2 + 1) * sample_rate / n_fft)
    width = float(mel(sample_rate / 2)) / n_mels
    tops = (np.arange(n_mels) + 0.5) * width
    return np.maximum(1 - np.abs(places[:, None] - tops) / width, 0).astype(np.float32)


def _frames(waveform: FloatArray, n_window: int, hop: int) -> FloatArray:
    """What each window sees, as a view `(n, window)`; the first stands around the middle of the first hop."""
    n_frames = -(-len(waveform) // hop)
    before = (n_window - hop) // 2
    padded = np.zeros(n_window + (n_frames - 1) * hop, np.float32)
    padded[before : before + len(waveform)] = waveform[: len(padded) - before]
    return np.lib.stride_tricks.sliding_window_view(padded, n_window)[::hop]


def _columns(windows: FloatArray, filters: FloatArray, n_together: int) -> FloatArray:
    """Mean mel power of every few windows. Shape: `(n, window)` -> `(columns, F)`."""
    power = np.abs(np.fft.rfft(windows)).astype(np.float32) ** 2 @ filters
    starts = np.arange(0, len(power), n_together)
    n_windows = np.diff(np.append(starts, len(power)))
    mean: NDArray[np.floating] = np.add.reduceat(power, starts) / n_windows[:, None]
    return mean.astype(np.float32)
