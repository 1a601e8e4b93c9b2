"""Waveform and spectrogram of a recording at any zoom, though it is decoded only once as a whole.

While it is decoded the extremes of every 10 ms and mel power are written (`spectrum`), and a copy in WAV
where browsers need one, or stretches of the original are slow to reach. What is finer than that is made of a
stretch.

Axes: L samples, P points, M columns, F mel bins.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.audio import open_audio
from htsat.scores import FloatArray
from htsat.web.page.arrays import read_arrays, write_arrays
from htsat.web.page.sound import CopyWriter, needs_copy, samples_between
from htsat.web.page.spectrum import HOP_S, SILENCE_DB, MelPower, SpectrumWriter, decibels, read_columns

COPY = "copy.wav"
_PEAKS, _SUMMARY = "peaks", "overview.npz"
_PEAK_S = 0.01
_RANGE_DB = 80.0
_LEAST_DB = -90.0
"""A recording without anything louder is dark."""


class Seen(NamedTuple):
    """How much of a recording has been looked at, and how loud its loudest column of 20 ms is."""

    n_samples: int
    loudest_db: float


NOTHING_SEEN = Seen(0, -math.inf)


class OverviewWriter:
    """Looks at a recording once, from its beginning to its end."""

    def __init__(self, folder: Path, sample_rate: int, *, with_copy: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (_SUMMARY, COPY):
            (folder / name).unlink(missing_ok=True)
        self._folder = folder
        self._n_samples = 0
        self._peaks = _PeakWriter(folder / _PEAKS, peak_samples(sample_rate))
        self._spectrum = SpectrumWriter(folder, sample_rate)
        self._copy = CopyWriter(folder / COPY, sample_rate) if with_copy else None

    @property
    def seen(self) -> Seen:
        """What there is so far."""
        n_samples = min(self._n_samples, self._spectrum.n_columns * self._spectrum.hop)
        return Seen(n_samples, self._spectrum.loudest_db)

    def push(self, block: FloatArray) -> None:
        """Take the next samples `(L,)`."""
        self._peaks.push(block)
        self._spectrum.push(block)
        if self._copy is not None:
            self._copy.push(block)
        self._n_samples += len(block)

    def finish(self) -> Seen:
        """The recording has ended: make the overview last."""
        self._peaks.finish()
        self._spectrum.finish(self._n_samples)
        if self._copy is not None:
            self._copy.finish()
        write_arrays(self._folder / _SUMMARY, self.seen._asdict())
        return self.seen

    def close(self) -> None:
        """No more samples come."""
        self._peaks.file.close()
        self._spectrum.close()
        if self._copy is not None:
            self._copy.close()


class _PeakWriter:
    """The least and the greatest sample of each 10 ms: float32 rows of two."""

    def __init__(self, path: Path, length: int) -> None:
        self.file = path.open("wb")
        self._length = length
        self._rest = np.empty(0, np.float32)

    def push(self, block: FloatArray) -> None:
        samples = np.concatenate([self._rest, block])
        n_whole = len(samples) - len(samples) % self._length
        groups = samples[:n_whole].reshape(-1, self._length)
        self.file.write(np.stack([groups.min(axis=1), groups.max(axis=1)], axis=1).tobytes())
        self.file.flush()
        self._rest = samples[n_whole:].copy()

    def finish(self) -> None:
        if len(self._rest):
            self.file.write(np.array([self._rest.min(), self._rest.max()], np.float32).tobytes())
        self.file.flush()


Tell = Callable[[Seen, float | None], None]


def look_at(path: Path, folder: Path, sample_rate: int, tell: Tell) -> Seen:
    """Look at a recording, and tell after each second how far that is, and how long it is said to be.

    Raises:
        AudioError: when it cannot be decoded.
    """
    with ExitStack() as resources:
        audio = resources.enter_context(open_audio(path, sample_rate))
        writer = OverviewWriter(folder, sample_rate, with_copy=needs_copy(path))
        resources.enter_context(closing(writer))
        for block in audio.blocks():
            writer.push(block)
            tell(writer.seen, audio.duration_s)
        return writer.finish()


def peak_samples(sample_rate: int) -> int:
    """Samples in 10 ms."""
    return max(1, round(_PEAK_S * sample_rate))


def read_seen(folder: Path) -> Seen | None:
    """How much of a recording was looked at, if that was all of it."""
    arrays = read_arrays(folder / _SUMMARY, Seen._fields)
    return None if arrays is None else Seen(int(arrays["n_samples"]), float(arrays["loudest_db"]))


class Waveform(NamedTuple):
    """The least and greatest samples in equal parts of a stretch, `(P,)` each, between -1 and 1."""

    least: FloatArray
    greatest: FloatArray


@dataclass(frozen=True)
class Overview:
    """What a recording looks like, as far as it has been looked at; what lies beyond is silent.

    `path` is the original, used where there is no copy.
    """

    path: Path
    folder: Path
    sample_rate: int
    seen: Seen

    @property
    def source(self) -> Path:
        """What stretches are decoded from."""
        copy = self.folder / COPY
        return copy if copy.exists() else self.path

    def waveform(self, start_s: float, stop_s: float, n_points: int) -> Waveform:
        """The extremes in `n_points` equal parts of a stretch."""
        edges = self._edges(start_s, stop_s, n_points)
        length = peak_samples(self.sample_rate)
        if edges[1] - edges[0] >= length:
            rows, step, first = self._peak_rows(edges[0], edges[-1]), length, int(edges[0]) // length
        else:
            first = math.floor(edges[0])
            samples = self.samples(first, max(first + 1, math.ceil(edges[-1])))
            rows, step = np.stack([samples, samples], axis=1), 1
        starts = np.clip((edges[:-1] // step).astype(np.intp) - first, 0, len(rows) - 1)
        least = np.minimum.reduceat(rows[:, 0], starts)
        greatest = np.maximum.reduceat(rows[:, 1], starts)
        return Waveform(np.clip(least, -1, 1), np.clip(greatest, -1, 1))

    def samples(self, start: int, stop: int) -> FloatArray:
        """Samples `start` to `stop`; zeros stand for those that the recording does not have."""
        samples = np.zeros(stop - start, np.float32)
        first = min(max(0, start), self.seen.n_samples)
        last = max(first, min(stop, self.seen.n_samples))
        found = samples_between(self.source, self.sample_rate, first, last)
        samples[first - start : last - start] = found
        return samples

    def spectrogram(self, start_s: float, stop_s: float, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """A picture `(height, width)` of a stretch, the highest bin first.

        255 is the loudest column of the recording, 0 what is 80 dB below that, and less.
        """
        height, width = shape
        hop_samples = max(1, round(HOP_S * self.sample_rate))
        edges = self._edges(start_s, stop_s, width)
        if edges[1] - edges[0] >= hop_samples:
            levels = self._stored_columns(edges, hop_samples)
        else:
            levels = self._fresh_columns(edges)
        above_db = _resized(levels, height) - (max(self.seen.loudest_db, _LEAST_DB) - _RANGE_DB)
        bytes_ = np.clip(np.rint(above_db * (255 / _RANGE_DB)), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(bytes_.T[::-1])

    def _edges(self, start_s: float, stop_s: float, n_parts: int) -> NDArray[np.float64]:
        """Where equal parts of a stretch begin and end, in samples; what is a whole number stays one."""
        return np.round(np.linspace(start_s, stop_s, n_parts + 1) * self.sample_rate, 3)

    def _peak_rows(self, first: float, stop: float) -> FloatArray:
        """Extremes of every 10 ms from that of the sample `first` on, at least to `stop`."""
        length = peak_samples(self.sample_rate)
        begin, end = int(first) // length, math.ceil(stop / length)
        rows = np.zeros((max(1, end - begin), 2), np.float32)
        with (self.folder / _PEAKS).open("rb") as file:
            found = np.fromfile(file, np.float32, 2 * (end - begin), offset=8 * begin)
        rows[: len(found) // 2] = found[: len(found) - len(found) % 2].reshape(-1, 2)
        return rows

    def _stored_columns(self, edges: NDArray[np.float64], hop_samples: int) -> FloatArray:
        """Mean power between edges, in decibels `(M, F)`, from what was written."""
        columns = read_columns(self.folder, edges[0] / hop_samples, edges[-1] / hop_samples, len(edges) - 1)
        if not len(columns.decibels):
            return np.full((len(edges) - 1, 1), SILENCE_DB, np.float32)
        places = (edges / hop_samples / columns.column_hops).astype(np.intp) - columns.first
        is_there = places[:-1] < len(columns.decibels)
        starts = np.minimum(places[:-1], len(columns.decibels) - 1)
        sums = np.add.reduceat(10 ** (columns.decibels / 10), starts, axis=0)
        n_each = np.maximum(1, np.diff(np.append(starts, min(places[-1], len(columns.decibels)))))
        levels = decibels((sums / n_each[:, None]).astype(np.float32))
        levels[~is_there] = SILENCE_DB
        return levels

    def _fresh_columns(self, edges: NDArray[np.float64]) -> FloatArray:
        """Power of a window around the middle between edges, in decibels `(M, F)`, from the sound."""
        mel = MelPower(self.sample_rate)
        reach = len(mel.window) // 2
        starts = ((edges[1:] + edges[:-1]) / 2).astype(np.intp) - reach
        samples = self.samples(int(starts[0]), int(starts[-1]) + 2 * reach)
        return decibels(mel.of(samples, starts - starts[0]))


def _resized(levels: FloatArray, n_bins: int) -> FloatArray:
    """Levels `(M, F)` in another number of bins, between neighbours in proportion."""
    n_there = levels.shape[1]
    places = np.clip((np.arange(n_bins) + 0.5) * n_there / n_bins - 0.5, 0, n_there - 1)
    below = places.astype(np.intp)
    above = np.minimum(below + 1, n_there - 1)
    share = (places - below).astype(np.float32)
    resized: FloatArray = (1 - share) * levels[:, below] + share * levels[:, above]
    return resized
