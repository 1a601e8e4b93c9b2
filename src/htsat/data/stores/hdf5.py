"""HDF5 as PANNs and HTS-AT pack it (official behaviour 11), read in place.

`waveform` `(n, L)` holds one recording a row, as int16 or float. The rate is the attribute `sample_rate` of
`waveform` or of the file; without it 32 kHz, as packed for HTS-AT.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from htsat.audio import Stretch, cut_stretch, resampled_length
from htsat.audio.blocks import check_sample_rate
from htsat.audio.stream import about
from htsat.data.clip import Clip, Row
from htsat.data.stores.store import OpenFiles
from htsat.errors import AudioError, MissingExtraError, last_line
from htsat.scores import FloatArray

_SAMPLE_RATE = 32_000
_FULL_SCALE = 32_767
_READ_FRAMES = 2**20
_MAX_CHUNK_BYTES = 2**28
"""HDF5 unpacks a chunk as a whole, however little of it is asked for: 4 GB of zeros are 4 MB."""
_NAMES_TOLD = 10


class Hdf5Store:
    """Recordings that are rows of HDF5 files."""

    def __init__(self) -> None:
        self._tables = OpenFiles(_Table)

    def n_samples(self, clip: Clip, sample_rate: int) -> int:
        """Length of a row; all rows of a file are equally long."""
        table = self._table(clip)
        return resampled_length(table.n_frames, table.sample_rate, sample_rate)

    def read(self, clip: Clip, stretch: Stretch) -> FloatArray:
        """A stretch; no more of the row is read than it needs."""
        table = self._table(clip)
        try:
            return cut_stretch(
                lambda first, stop: table.frames(_index(clip), first, stop), table.sample_rate, stretch
            )
        except AudioError as error:
            raise AudioError(f"{clip.title}: {error}") from None
        except (OSError, RuntimeError, ValueError) as error:
            raise AudioError(f"{clip.title}: {last_line(error)}") from None

    def close(self) -> None:
        """Close the files."""
        self._tables.close()

    def _table(self, clip: Clip) -> _Table:
        try:
            table = self._tables.get(clip.path)
        except OSError as error:
            raise AudioError(f"{clip.path}: {error.strerror}") from None
        if _index(clip) >= table.n_rows:
            raise AudioError(f"{clip.title}: there are only {table.n_rows} rows")
        return table


class _Table:
    """An open file and its waveforms."""

    def __init__(self, path: Path) -> None:
        h5py = _h5py()
        path.open("rb").close()  # tells in plain words when there is no such file
        try:
            self._file = h5py.File(path, "r")
        except OSError:
            raise AudioError(f"{path}: is not an HDF5 file, or is cut off") from None
        try:
            self._waveforms = _waveforms(path, self._file, h5py)
            self.sample_rate = _sample_rate(path, self._waveforms.attrs, self._file.attrs)
        except AudioError:
            self._file.close()
            raise
        except (RuntimeError, ValueError, LookupError, OSError):
            self._file.close()
            raise AudioError(f"{path}: is damaged") from None
        self.n_rows, self.n_frames = self._waveforms.shape

    def frames(self, row: int, first: int, stop: int | None) -> Iterator[FloatArray]:
        end = self.n_frames if stop is None else min(stop, self.n_frames)
        n_at_once = max(_READ_FRAMES, self._waveforms.chunks[1] if self._waveforms.chunks else 0)
        for start in range(first, end, n_at_once):
            samples = self._waveforms[row, start : min(end, start + n_at_once)]
            with np.errstate(over="ignore"):  # who resamples reports what is not finite
                scale = _FULL_SCALE if samples.dtype == np.int16 else 1
                yield samples.astype(np.float32) / np.float32(scale)

    def close(self) -> None:
        self._file.close()


def _waveforms(path: Path, file: Any, h5py: Any) -> Any:
    # No links: they may lead to any file of this machine, which would then be heard.
    is_here = isinstance(file.get("waveform", getlink=True), h5py.HardLink)
    found = file["waveform"] if is_here else None
    if not isinstance(found, h5py.Dataset):
        names = ", ".join(islice(file, _NAMES_TOLD)) or "nothing"
        raise AudioError(f"{path}: expected a data set 'waveform' (n, L), found {names}")
    is_sound = found.dtype == np.int16 or found.dtype.kind == "f"
    if found.ndim != 2 or not is_sound:
        raise AudioError(
            f"{path}: expected 'waveform' (n, L) of int16 or float, got {found.shape} of {found.dtype}"
        )
    if found.external or found.is_virtual:
        raise AudioError(f"{path}: the samples of 'waveform' lie in other files, which are not read")
    if math.prod(found.chunks or ()) * found.dtype.itemsize > _MAX_CHUNK_BYTES:
        raise AudioError(f"{path}: chunks of {found.chunks} samples are larger than {_MAX_CHUNK_BYTES} bytes")
    return found


def _sample_rate(path: Path, *places: Any) -> int:
    """The attribute of the first place that has it."""
    rate = next((place["sample_rate"] for place in places if "sample_rate" in place), _SAMPLE_RATE)
    try:
        sample_rate = int(np.asarray(rate).item())
    except (TypeError, ValueError, OverflowError):
        raise AudioError(f"{path}: expected a number as 'sample_rate', got {rate!r:.40}") from None
    with about(str(path)):
        check_sample_rate(sample_rate)
    return sample_rate


def _index(clip: Clip) -> int:
    if not isinstance(clip.place, Row):
        raise TypeError(f"{clip.title} is no row")
    return clip.place.index


def _h5py() -> Any:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading HDF5", "train") from error
    return h5py
