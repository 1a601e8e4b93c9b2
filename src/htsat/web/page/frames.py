"""The scores of all frames of a recording on disk, as they come: whatever the rules, it is heard once.

    logits       float32, blocks of 1024 frames, each class by class `(K, 1024)`: single classes are read fast
    clip_logits  float32 rows `(K,)`: they change only from clip to clip, and are kept once for each change
    boundaries   float64, T + 1 times in seconds
    summary.npz  all that is short; written last, so that scores without it are incomplete

Axes: T frames, K classes, k of them, R rows of clip logits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.engines.protocol import ModelDescription
from htsat.labels import LabelSet
from htsat.scores import ClipScores, FloatArray, FrameGrid, FrameScores, Seconds
from htsat.web.page.arrays import read_arrays, write_arrays

_BLOCK = 1024
_CHUNK = 2**22
"""Scores that are read together."""

_LOGITS, _CLIP_LOGITS, _BOUNDARIES, _SUMMARY = "logits", "clip_logits", "boundaries", "summary.npz"

Indices = NDArray[np.intp]


class Summary(NamedTuple):
    """What is known of all frames together.

    Shape: `tagging_sum` `(K,)`, the integral of what the recording is tagged by; `loudest` `(K,)`, the
    largest logits; `clip_starts` `(R,)`, the frames in which the clip logits change.
    """

    n_frames: int
    duration_s: float
    tagging_sum: NDArray[np.float64]
    loudest: FloatArray
    clip_starts: Indices


class FrameWriter:
    """Takes the scores of a recording as they come; others may read them meanwhile."""

    def __init__(self, folder: Path, model: ModelDescription) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _SUMMARY).unlink(missing_ok=True)
        n_classes = len(model.labels)
        self._folder = folder
        self._model = model
        names = (_LOGITS, _CLIP_LOGITS, _BOUNDARIES)
        for name in names:  # somebody may be reading older ones, which must not become shorter
            (folder / name).unlink(missing_ok=True)
        self._files = {name: (folder / name).open("wb") for name in names}
        self._files[_BOUNDARIES].write(np.zeros(1).tobytes())
        self._flush()
        self._lock = Lock()
        self._tail: FloatArray = np.empty((0, n_classes), np.float32)
        self._last_clip = np.full((1, n_classes), np.nan, np.float32)
        self._clip_starts: list[int] = []
        self._n_frames = 0
        self._duration_s = 0.0
        self._tagging_sum = np.zeros(n_classes)
        self._loudest = np.full(n_classes, -np.inf, np.float32)

    def append(self, scores: FrameScores) -> None:
        """Take the next frames."""
        with self._lock:
            self._keep_clips(scores.clip_logits)
            self._files[_BOUNDARIES].write(scores.grid.boundaries_s[1:].astype(np.float64).tobytes())
            self._tail = np.concatenate([self._tail, scores.logits])
            self._write_blocks(len(self._tail) // _BLOCK)
            self._flush()
            self._n_frames += scores.grid.n_frames
            self._duration_s = float(scores.grid.boundaries_s[-1])
            self._tagging_sum += scores.tagging_sum()
            self._loudest = np.maximum(self._loudest, scores.logits.max(axis=0, initial=-np.inf))

    def view(self) -> StoredFrames:
        """What there is so far."""
        with self._lock:
            summary = Summary(
                self._n_frames,
                self._duration_s,
                self._tagging_sum.copy(),
                self._loudest,
                np.array(self._clip_starts, np.intp),
            )
            return StoredFrames(self._folder, self._model, summary, self._tail)

    def finish(self) -> None:
        """All frames have come: make them last."""
        n_missing = -len(self._tail) % _BLOCK
        with self._lock:
            self._tail = np.pad(self._tail, ((0, n_missing), (0, 0)))
            self._write_blocks(len(self._tail) // _BLOCK)
            self._flush()
            for written in self._files.values():
                os.fsync(written.fileno())
        self.close()
        write_arrays(self._folder / _SUMMARY, self.view().summary._asdict())

    def close(self) -> None:
        """No more frames come."""
        for file in self._files.values():
            file.close()

    def _flush(self) -> None:
        for file in self._files.values():
            file.flush()

    def _write_blocks(self, n_blocks: int) -> None:
        for start in range(0, n_blocks * _BLOCK, _BLOCK):
            self._files[_LOGITS].write(self._tail[start : start + _BLOCK].T.tobytes())
        self._tail = self._tail[n_blocks * _BLOCK :].copy()

    def _keep_clips(self, clip_logits: FloatArray) -> None:
        rows = np.concatenate([self._last_clip, clip_logits])
        changes = np.flatnonzero(np.any(rows[1:] != rows[:-1], axis=1))  # not a number differs from all
        self._files[_CLIP_LOGITS].write(clip_logits[changes].tobytes())
        self._clip_starts += (self._n_frames + changes).tolist()
        self._last_clip = rows[-1:].copy()


@dataclass(frozen=True, eq=False)
class StoredFrames:
    """The scores of a recording as far as it was heard; `tail` are frames that are not on disk yet."""

    folder: Path
    model: ModelDescription
    summary: Summary
    tail: FloatArray

    def boundaries_s(self) -> Seconds:
        """Where frames begin and end, `(T + 1,)`."""
        return np.fromfile(self.folder / _BOUNDARIES, np.float64, self.summary.n_frames + 1)

    def clip_scores(self) -> ClipScores:
        """What the recording is tagged by, so far; needs a frame."""
        mean = self.summary.tagging_sum / self.summary.duration_s
        return ClipScores(mean.astype(np.float32), self.model.labels, self.model.task)

    def read(self, classes: Indices, start: int = 0, stop: int | None = None) -> Iterator[FrameScores]:
        """The scores of some classes, in order, in frames `start` to `stop`: a portion of them at a time.

        Of a multi-class model all classes are needed, because their probabilities compete.
        """
        stop = self.summary.n_frames if stop is None else stop
        labels = LabelSet.of(self.model.labels[index] for index in classes)
        times_s = self.boundaries_s()
        size = _BLOCK * max(1, _CHUNK // (_BLOCK * max(1, len(classes))))
        for first in range(start, stop, size):
            last = min(stop, first + size)
            yield FrameScores(
                logits=self._logits(classes, first, last),
                clip_logits=self._clip_logits(classes, first, last),
                grid=FrameGrid(times_s[first : last + 1]),
                labels=labels,
                task=self.model.task,
            )

    def _logits(self, classes: Indices, start: int, stop: int) -> FloatArray:
        n_blocks = (self.summary.n_frames - len(self.tail)) // _BLOCK
        if not self.tail.size:
            n_blocks = -(-self.summary.n_frames // _BLOCK)
        first, last = start // _BLOCK, min(n_blocks, -(-stop // _BLOCK))
        parts = [self.tail[:, classes]]
        if first < last:
            shape = (n_blocks, len(self.model.labels), _BLOCK)
            blocks = np.memmap(self.folder / _LOGITS, np.float32, "r", shape=shape)
            parts.insert(0, blocks[first:last, classes].transpose(0, 2, 1).reshape(-1, len(classes)))
        n_before = first * _BLOCK
        joined: FloatArray = np.concatenate(parts)[start - n_before : stop - n_before]
        return joined

    def _clip_logits(self, classes: Indices, start: int, stop: int) -> FloatArray:
        starts = self.summary.clip_starts
        shape = (len(starts), len(self.model.labels))
        rows = np.memmap(self.folder / _CLIP_LOGITS, np.float32, "r", shape=shape)
        around = np.searchsorted(starts, np.arange(start, stop), side="right") - 1
        wanted = slice(around[0], around[-1] + 1)
        found: FloatArray = rows[wanted][:, classes][around - around[0]]
        return found


def open_frames(folder: Path, model: ModelDescription) -> StoredFrames | None:
    """The scores of a recording that was heard to its end; None where there are none, or not all."""
    arrays = read_arrays(folder / _SUMMARY, Summary._fields)
    if arrays is None:
        return None
    n_frames, duration_s = int(arrays.pop("n_frames")), float(arrays.pop("duration_s"))
    summary = Summary(n_frames, duration_s, **arrays)
    nothing = np.empty((0, len(model.labels)), np.float32)
    return StoredFrames(folder, model, summary, nothing) if _is_whole(folder, model, summary) else None


def _is_whole(folder: Path, model: ModelDescription, summary: Summary) -> bool:
    """Whether the files are as long as their summary says."""
    row_bytes = 4 * len(model.labels)
    sizes = {
        _LOGITS: -(-summary.n_frames // _BLOCK) * _BLOCK * row_bytes,
        _CLIP_LOGITS: len(summary.clip_starts) * row_bytes,
        _BOUNDARIES: 8 * (summary.n_frames + 1),
    }
    with suppress(OSError):
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    return False
