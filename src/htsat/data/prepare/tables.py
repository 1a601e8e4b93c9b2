"""Recordings that are rows of large tables: the HDF5 files of PANNs and HTS-AT, and Parquet files.

HDF5: `audio_name`, `waveform` (int16, one row a clip) and `target`; the sample rate is an attribute of the
file or of `waveform`, else 32 kHz. Parquet: a column holds encoded files, plain or as its field `bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from htsat.audio.blocks import mix_down
from htsat.data.manifest import Clip, Row
from htsat.data.prepare.facts import (
    Examined,
    Facts,
    Measure,
    examine_bytes,
    examine_samples,
    header_facts,
)
from htsat.errors import AudioError, DataError, MissingExtraError

HDF5_SUFFIXES = frozenset((".h5", ".hdf", ".hdf5"))
PARQUET_SUFFIX = ".parquet"
HDF5_SAMPLE_RATE = 32_000
"""Of the packed AudioSet of PANNs and HTS-AT, whose files need not say it."""

_BYTES_COLUMNS = ("audio", "bytes")
_PARQUET_BATCH = 16
"""Rows in memory at once: each holds a whole file."""


def open_hdf5(path: Path) -> Any:
    """An HDF5 file, open for reading.

    Raises:
        DataError: when it is none.
        MissingExtraError: when h5py is not installed.
    """
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtraError("an HDF5 file", "train") from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: cannot be read as HDF5 ({error})") from error


def open_parquet(path: Path) -> Any:
    """A Parquet file, open for reading.

    Raises:
        DataError: when it is none.
        MissingExtraError: when pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("a Parquet file", "train") from error
    try:
        return parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error


def bytes_column(path: Path, names: Sequence[str]) -> str:
    """The column that holds the recordings."""
    for name in _BYTES_COLUMNS:
        if name in names:
            return name
    raise DataError(f"{path}: expected a column {' or '.join(_BYTES_COLUMNS)}, found {', '.join(names)}")


def examine_rows(clips: Sequence[Clip], measure: Measure) -> list[Examined]:
    """The facts of clips that are rows of one table, in ascending order."""
    if clips[0].path.suffix.lower() == PARQUET_SUFFIX:
        return list(_examine_parquet(clips, measure))
    return list(_examine_hdf5(clips, measure))


def _examine_hdf5(clips: Sequence[Clip], measure: Measure) -> Iterator[Examined]:
    with open_hdf5(clips[0].path) as file:
        waveforms = file["waveform"]
        file_rate = file.attrs.get("sample_rate", HDF5_SAMPLE_RATE)
        sample_rate = int(waveforms.attrs.get("sample_rate", file_rate))
        if measure is header_facts:
            facts = Facts(sample_rate, 1, waveforms.shape[1] / sample_rate)
            yield from (Examined(clip, facts) for clip in clips)
            return
        for clip in clips:
            try:
                samples = mix_down(waveforms[_index(clip)][None])
            except (OSError, AudioError) as error:
                yield Examined(clip, None, str(error))
            else:
                yield examine_samples(clip, samples, sample_rate)


def _examine_parquet(clips: Sequence[Clip], measure: Measure) -> Iterator[Examined]:
    waiting = {_index(clip): clip for clip in clips}
    try:
        for index, cell in enumerate(_cells(clips[0].path)):
            if index in waiting:
                yield examine_bytes(waiting.pop(index), _content(cell.as_py()), measure)
    except (OSError, ValueError) as error:  # damage within the table; Arrow's errors are ValueErrors
        yield from (Examined(clip, None, str(error)) for clip in waiting.values())


def _cells(path: Path) -> Iterator[Any]:
    with open_parquet(path) as file:
        column = bytes_column(path, file.schema_arrow.names)
        for batch in file.iter_batches(_PARQUET_BATCH, columns=[column]):
            yield from batch.column(0)


def _content(cell: Any) -> bytes | None:
    value = cell.get("bytes") if isinstance(cell, dict) else cell
    return value if isinstance(value, bytes) else None


def _index(clip: Clip) -> int:
    assert isinstance(clip.place, Row)
    return clip.place.index
