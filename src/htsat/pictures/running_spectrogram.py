"""The spectrogram of a recording of any length, heard once block by block, in bounded memory.

L samples, M columns in time, F mel bins.
"""

from __future__ import annotations

import numpy as np

from htsat.pictures.pooling import RunningPool
from htsat.pictures.spectrogram import HOP_S, Spectrogram, decibels, mel_filters, window_of
from htsat.scores import FloatArray

MAX_COLUMNS = 18_000
"""Kept of a recording, however long: twelve rows of a picture that is 1500 columns wide."""

_CHUNK_FRAMES = 512


class RunningSpectrogram:
    """Makes of blocks what `log_mel` makes of the whole, with finer columns where the recording is long."""

    def __init__(self, sample_rate: int, n_mels: int = 80, max_columns: int = MAX_COLUMNS) -> None:
        self._sample_rate = sample_rate
        self._hop = max(1, round(HOP_S * sample_rate))
        self._window = window_of(sample_rate)
        self._filters = mel_filters(n_mels, len(self._window), sample_rate)
        self._pool = RunningPool(max_columns, np.add)
        self._buffer = np.zeros((len(self._window) - self._hop) // 2, np.float32)
        self._n_samples = 0
        self._n_frames = 0

    def push(self, block: FloatArray) -> None:
        """Take the next samples, `(L,)`."""
        self._n_samples += len(block)
        self._buffer = np.concatenate([self._buffer, block])
        self._take(max(0, (len(self._buffer) - len(self._window)) // self._hop + 1))

    def finish(self) -> Spectrogram:
        """The recording has ended, after at least one sample."""
        n_left = -(-self._n_samples // self._hop) - self._n_frames
        n_needed = len(self._window) + (n_left - 1) * self._hop
        self._buffer = np.pad(self._buffer, (0, max(0, n_needed - len(self._buffer))))
        self._take(n_left)
        sums, n_together = self._pool.finish()
        n_windows = np.full(len(sums), n_together)
        n_windows[-1] = self._n_frames - (len(sums) - 1) * n_together
        return Spectrogram(
            decibels(sums / n_windows[:, None]),
            column_s=n_together * self._hop / self._sample_rate,
            duration_s=self._n_samples / self._sample_rate,
            max_hz=self._sample_rate / 2,
        )

    def _take(self, n_frames: int) -> None:
        """Look at so many windows, from the start of what is kept."""
        for first in range(0, n_frames, _CHUNK_FRAMES):
            n_now = min(_CHUNK_FRAMES, n_frames - first)
            part = self._buffer[first * self._hop :][: len(self._window) + (n_now - 1) * self._hop]
            windows = np.lib.stride_tricks.sliding_window_view(part, len(self._window))[:: self._hop]
            power = np.abs(np.fft.rfft(windows * self._window)).astype(np.float32) ** 2 @ self._filters
            self._pool.push(power)
        self._buffer = self._buffer[n_frames * self._hop :].copy()
        self._n_frames += n_frames
