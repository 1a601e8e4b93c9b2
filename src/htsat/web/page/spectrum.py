"""Mel power of sound that arrives block by block, in columns of several lengths, kept on disk.

    mel-0, mel-1 ...   float16, rows `(F,)` in decibels: columns of 20 ms, in each further file 8
                       times as long

Axes: L samples, M columns in time, F mel bins.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.pictures.spectrogram import mel_filters, window_of
from htsat.scores import FloatArray

N_MELS = 96
N_LEVELS = 4
HOP_S = 0.02
_FACTOR = 8
_CHUNK = 256
"""Windows that are looked at together."""
_LEAST_POWER = 1e-20
SILENCE_DB = -200.0
"""The level of no power at all."""


class MelPower:
    """How sound becomes columns: the mel power of windows of about 50 ms at any places."""

    def __init__(self, sample_rate: int, n_mels: int = N_MELS) -> None:
        self.window = window_of(sample_rate)
        self._filters = mel_filters(n_mels, len(self.window), sample_rate)

    def of(self, samples: FloatArray, starts: NDArray[np.intp]) -> FloatArray:
        """The power `(M, F)` of windows that begin at `starts` `(M,)`."""
        views = np.lib.stride_tricks.sliding_window_view(samples, len(self.window))
        powers = [np.empty((0, self._filters.shape[1]), np.float32)]
        for first in range(0, len(starts), _CHUNK):
            spectrum = np.fft.rfft(views[starts[first : first + _CHUNK]] * self.window)
            powers.append(np.abs(spectrum).astype(np.float32) ** 2 @ self._filters)
        return np.concatenate(powers)


def decibels(power: FloatArray) -> FloatArray:
    """Power as decibels, at least those of silence."""
    loudness: FloatArray = 10 * np.log10(np.maximum(power, _LEAST_POWER))
    return loudness


def level_path(folder: Path, level: int) -> Path:
    """The file of one length of columns."""
    return folder / f"mel-{level}"


def column_hops(level: int) -> int:
    """The length of the columns of a level, in those of 20 ms."""
    return int(_FACTOR**level)


class SpectrumWriter:
    """Writes the columns of a recording; each stands in the middle of its hop."""

    def __init__(self, folder: Path, sample_rate: int) -> None:
        self.hop = max(1, round(HOP_S * sample_rate))
        self.n_columns = 0
        self.loudest_db = -np.inf
        self._mel = MelPower(sample_rate)
        self._n_before = (len(self._mel.window) - self.hop) // 2
        self._buffer = np.zeros(max(0, self._n_before), np.float32)
        self._levels = [_Level(level_path(folder, level)) for level in range(N_LEVELS)]

    def push(self, block: FloatArray) -> None:
        """Take the next samples `(L,)`."""
        self._buffer = np.concatenate([self._buffer, block])
        self._take(max(0, (len(self._buffer) - len(self._mel.window)) // self.hop + 1))

    def finish(self, n_samples: int) -> None:
        """The recording has ended after so many samples."""
        n_left = -(-n_samples // self.hop) - self.n_columns
        n_needed = len(self._mel.window) + (n_left - 1) * self.hop
        self._buffer = np.pad(self._buffer, (0, max(0, n_needed - len(self._buffer))))
        self._take(n_left)
        power = np.empty((0, N_MELS), np.float32)
        for level in self._levels:
            means = level.push(power)
            power = np.concatenate([means, level.flush()])

    def close(self) -> None:
        """No more samples come."""
        for level in self._levels:
            level.file.close()

    def _take(self, n_columns: int) -> None:
        if not n_columns:
            return
        power = self._mel.of(self._buffer, self.hop * np.arange(n_columns))
        self._buffer = self._buffer[n_columns * self.hop :].copy()
        self.n_columns += n_columns
        self.loudest_db = max(self.loudest_db, float(decibels(power.max())))
        for level in self._levels:
            power = level.push(power)


class _Level:
    """The columns of one length; gives each `_FACTOR` of them on as one."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self._waiting = np.empty((0, N_MELS), np.float32)

    def push(self, power: FloatArray) -> FloatArray:
        self.file.write(decibels(power).astype(np.float16).tobytes())
        self.file.flush()
        rows = np.concatenate([self._waiting, power])
        n_whole = len(rows) - len(rows) % _FACTOR
        self._waiting = rows[n_whole:].copy()
        means: FloatArray = rows[:n_whole].reshape(-1, _FACTOR, N_MELS).mean(axis=1)
        return means

    def flush(self) -> FloatArray:
        rest, self._waiting = self._waiting, self._waiting[:0]
        return rest.mean(axis=0, keepdims=True) if len(rest) else rest


class Columns(NamedTuple):
    """Columns in decibels, `(M, F)`; those from number `first` on, each so many hops of 20 ms long."""

    decibels: FloatArray
    first: int
    column_hops: int


def read_columns(folder: Path, first_hop: float, stop_hop: float, n_wanted: int) -> Columns:
    """Columns of a stretch, given in columns of 20 ms: the longest of which there are still enough."""
    level = max(
        (level for level in range(N_LEVELS) if (stop_hop - first_hop) >= n_wanted * column_hops(level)),
        default=0,
    )
    length = column_hops(level)
    first, stop = int(first_hop // length), int(-(-stop_hop // length))
    with level_path(folder, level).open("rb") as file:
        values = np.fromfile(file, np.float16, (stop - first) * N_MELS, offset=2 * first * N_MELS)
    whole = values[: len(values) - len(values) % N_MELS].reshape(-1, N_MELS)
    return Columns(whole.astype(np.float32), first, length)
