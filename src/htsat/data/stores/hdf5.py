"""HDF5 as PANNs and HTS-AT pack it (official behaviour 11), read in place.

`waveform` `(n, L)` holds one recording a row, as int16 or float. The rate is the attribute `sample_rate` of
`waveform` or of the file; without it 32 kHz, as packed for HTS-AT.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from htsat.audio import Stretch, cut_stretch, resampled_length
from htsat.data.clip import Clip, Row
from htsat.data.stores.store import OpenFiles
from htsat.errors import AudioError, MissingExtraError
from htsat.scores import FloatArray

_SAMPLE_RATE = 32_000
_FULL_SCALE = 32_767


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
        except (AudioError, OSError) as error:
            raise AudioError(f"{clip.title}: {error}") from None

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
        except AudioError:
            self._file.close()
            raise
        self.n_rows, self.n_frames = self._waveforms.shape
        rate = self._waveforms.attrs.get("sample_rate", self._file.attrs.get("sample_rate", _SAMPLE_RATE))
        self.sample_rate = int(rate)

    def frames(self, row: int, first: int, stop: int | None) -> Iterator[FloatArray]:
        samples = self._waveforms[row, first:stop]
        if samples.dtype == np.int16:
            yield samples.astype(np.float32) / _FULL_SCALE
        else:
            yield samples.astype(np.float32)

    def close(self) -> None:
        self._file.close()


def _waveforms(path: Path, file: Any, h5py: Any) -> Any:
    found = file.get("waveform")
    if not isinstance(found, h5py.Dataset):
        names = ", ".join(sorted(file)) or "nothing"
        raise AudioError(f"{path}: expected a data set 'waveform' (n, L), found {names}")
    is_sound = found.dtype == np.int16 or found.dtype.kind == "f"
    if found.ndim != 2 or not is_sound:
        raise AudioError(
            f"{path}: expected 'waveform' (n, L) of int16 or float, got {found.shape} of {found.dtype}"
        )
    return found


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
