"""Parquet with encoded recordings in its rows, as in data sets of the Hugging Face hub.

The column is a structure with a field `bytes`, or plain bytes; one named `audio` goes before others. Parquet
is read by row groups: the last ones stay in memory, so neighbouring rows are cheap, rows at random are not.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from htsat.audio import Stretch, count_samples, read_stretch
from htsat.data.clip import Clip, Row
from htsat.data.stores.files import NamedBytes
from htsat.data.stores.store import OpenFiles
from htsat.errors import AudioError, MissingExtraError, last_line
from htsat.scores import FloatArray

_MAX_GROUPS = 2
"""Row groups of a file that stay in memory; those of the hub hold 100 to 1,000 recordings."""

_MAX_GROUP_BYTES = 2**31
"""What Arrow holds in one piece of a structure."""
_NAMES_TOLD = 10


class ParquetStore:
    """Recordings that are rows of Parquet files."""

    def __init__(self) -> None:
        self._tables = OpenFiles(_Table)

    def n_samples(self, clip: Clip, sample_rate: int) -> int:
        """Length as the header of the recording says."""
        return count_samples(self._recording(clip), sample_rate)

    def read(self, clip: Clip, stretch: Stretch) -> FloatArray:
        """A stretch, decoded in memory."""
        return read_stretch(self._recording(clip), stretch)

    def close(self) -> None:
        """Close the files and forget their rows."""
        self._tables.close()

    def _recording(self, clip: Clip) -> io.BytesIO:
        if not isinstance(clip.place, Row):
            raise TypeError(f"{clip.title} is no row")
        pyarrow = _pyarrow()
        try:
            data = self._tables.get(clip.path).encoded(clip.place.index)
        except OSError as error:
            raise AudioError(f"{clip.path}: {error.strerror or last_line(error)}") from None
        except (pyarrow.ArrowException, ValueError, LookupError, _RowError) as error:
            raise AudioError(f"{clip.title}: {last_line(error)}") from None
        return NamedBytes(data, clip.title)


class _RowError(Exception):
    """What is wrong with a row."""


class _Table:
    """An open file, its column of recordings and the row groups read last."""

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        path.open("rb").close()  # tells in plain words when there is no such file
        self._file = parquet.ParquetFile(path)
        try:
            self._column = _bytes_column(self._file.schema_arrow)
        except _RowError:
            self._file.close()
            raise
        metadata = self._file.metadata
        sizes = [max(0, metadata.row_group(index).num_rows) for index in range(metadata.num_row_groups)]
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._groups: OrderedDict[int, Any] = OrderedDict()

    def encoded(self, row: int) -> bytes:
        n_rows = int(self._ends[-1]) if len(self._ends) else 0
        if row >= n_rows:
            raise _RowError(f"there are only {n_rows} rows")
        group = int(np.searchsorted(self._ends, row, side="right"))
        first = int(self._ends[group - 1]) if group else 0
        data = self._recordings(group)[row - first].as_py()
        if not data:
            raise _RowError(f"holds no bytes in column {self._column.path!r}")
        return bytes(data)

    def _recordings(self, group: int) -> Any:
        if group not in self._groups:
            if len(self._groups) == _MAX_GROUPS:
                self._groups.popitem(last=False)
            self._groups[group] = self._read(group)
        self._groups.move_to_end(group)
        return self._groups[group]

    def _read(self, group: int) -> Any:
        """The recordings of a row group; read one by one, as equal ones and zeros take no room in a file."""
        import pyarrow as pa

        parts, n_bytes = [], 0
        batches = self._file.iter_batches(
            1, row_groups=[group], columns=[self._column.path], use_threads=False
        )
        for batch in batches:
            column = batch.column(0)
            parts.append(column.field("bytes") if self._column.is_structure else column)
            n_bytes += parts[-1].nbytes
            if n_bytes > _MAX_GROUP_BYTES:
                raise _RowError(f"row group {group} holds more than {_MAX_GROUP_BYTES} bytes of recordings")
        return pa.chunked_array(parts)

    def close(self) -> None:
        self._groups.clear()
        self._file.close()


class _Column(NamedTuple):
    """Where the bytes are; `path` is `name.bytes` for a structure."""

    path: str
    is_structure: bool


def _bytes_column(schema: Any) -> _Column:
    """The column of bytes; `audio` before others."""
    import pyarrow.types as kinds

    found = []
    for field in sorted(schema, key=lambda field: field.name != "audio"):
        inner = {child.name: child.type for child in field.type} if kinds.is_struct(field.type) else {}
        if "bytes" in inner and _is_bytes(inner["bytes"]):
            found.append(_Column(f"{field.name}.bytes", True))
        elif _is_bytes(field.type):
            found.append(_Column(field.name, False))
    if not found:
        raise _RowError(f"no column holds bytes, found {', '.join(schema.names[:_NAMES_TOLD]) or 'none'}")
    return found[0]


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading Parquet", "train") from error
    return pyarrow
