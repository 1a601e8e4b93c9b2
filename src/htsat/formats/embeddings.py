"""Files of embeddings: `.npy` with a list of its rows beside it, or `.parquet` with both in one.

Both say what made the vectors: `.parquet` in its metadata, `NAME.npy` in `NAME.origin.json`. The module
`embedding_files` reads them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from htsat.errors import DataError, MissingExtraError
from htsat.files import atomic_path, text_path
from htsat.formats.csv_rows import csv_text
from htsat.formats.no_text import spelled, utf8_json
from htsat.formats.recording import time_text
from htsat.scores import FloatArray, Seconds

if TYPE_CHECKING:
    from pyarrow import parquet

ROWS_SUFFIX = ".rows.csv"
ROW_COLUMNS = ("file", "start")
"""Of the list of rows beside a `.npy`."""
ORIGIN_SUFFIX = ".origin.json"
ORIGIN_KEY = b"htsat_origin"
"""Key of the metadata of a Parquet file."""
MARK = "files"
"""Key, beside those of the origin, of what tells whether a `.npy` and the files beside it belong together."""
ROWS_PER_GROUP = 4096
"""Rows that a Parquet file holds together, and that a reader takes at once: 6 MB for 384 values."""


@dataclass(frozen=True)
class Origin:
    """What made the vectors of a file.

    `model` is the name by which it was called and `sha256` the digest of its file. `per` is `clip` or
    `frame`, `span_s` how long the stretch of a recording is that a vector describes, `overlap` the fraction
    that neighbouring clips share. `probe` is what the model answered to one fixed clip: two models whose
    probes are alike give vectors that can be compared, whatever files they come from. `version` is that of
    the package.
    """

    model: str
    sha256: str
    per: str
    span_s: float
    overlap: float
    probe: tuple[float, ...]
    version: str

    def to_json(self) -> str:
        """One line of JSON."""
        return utf8_json(json.dumps(dataclasses.asdict(self), ensure_ascii=False))

    @classmethod
    def from_json(cls, text: str | bytes, where: Path) -> Origin:
        """Inverse of `to_json`; `where` is the file that errors name.

        Raises:
            DataError: when the text is not such a line.
        """
        try:
            document = json.loads(text)
            origin = cls(
                model=str(document["model"]),
                sha256=str(document["sha256"]),
                per=str(document["per"]),
                span_s=float(document["span_s"]),
                overlap=float(document["overlap"]),
                probe=tuple(map(float, document["probe"])),
                version=str(document["version"]),
            )
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise DataError(f"{where}: what made the embeddings cannot be read: {error!r:.80}") from None
        if origin.per not in ("clip", "frame"):
            raise DataError(f"{where}: expected embeddings per clip or frame, got {origin.per!r:.40}")
        return origin


class EmbeddedRecording(NamedTuple):
    """The vectors `(n, D)` of a recording and the times `(n,)` where what they describe begins."""

    file: str
    vectors: FloatArray
    starts_s: Seconds


Write = Callable[[EmbeddedRecording], None]


def companions(path: Path) -> tuple[Path, Path]:
    """The files beside a `.npy`: the list of its rows, and what made them."""
    return path.with_suffix(ROWS_SUFFIX), path.with_suffix(ORIGIN_SUFFIX)


def rows_of(recording: EmbeddedRecording) -> Iterator[tuple[str, str]]:
    """What the list of rows says of the vectors of a recording."""
    return ((recording.file, time_text(start_s)) for start_s in recording.starts_s)


def rows_text(rows: Iterable[tuple[str, str]]) -> bytes:
    """Rows of the list as they stand in it."""
    return csv_text(rows).encode("utf-8", "surrogateescape")


@contextmanager
def to_npy(path: Path, origin: Origin) -> Iterator[Write]:
    """Gather vectors; they, `NAME.rows.csv` (file, start) and the origin appear when the block ends well."""
    vectors: list[FloatArray] = []
    rows = [ROW_COLUMNS]

    def write(recording: EmbeddedRecording) -> None:
        vectors.append(recording.vectors)
        rows.extend(rows_of(recording))

    rows_path, origin_path = companions(path)
    with (
        atomic_path(path) as vector_file,
        atomic_path(rows_path) as row_file,
        atomic_path(origin_path) as origin_file,
    ):
        yield write
        _write_vectors(vector_file, np.concatenate(vectors))
        row_file.write_bytes(rows_text(rows))
        write_origin(origin_file, origin, vector_file, row_file)


def _write_vectors(path: Path, vectors: FloatArray) -> None:
    """As `np.save` would, which is not told when the disk fails on the last bytes."""
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(vectors))
        file.write(np.ascontiguousarray(vectors).data)


def write_origin(path: Path, origin: Origin, vector_file: Path, row_file: Path) -> None:
    """Write what made the vectors, with what tells that these two files belong to it."""
    mark = {MARK: mark_of(np.load(vector_file, mmap_mode="r"), row_file)}
    text = utf8_json(json.dumps(dataclasses.asdict(origin) | mark, ensure_ascii=False))
    path.write_text(f"{text}\n", encoding="utf-8")


def mark_of(vectors: FloatArray, row_file: Path) -> str:
    """Differs for files of another call: the three take their names one after the other."""
    with row_file.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8))
    for vector in (vectors[0], vectors[-1]) if len(vectors) else ():
        digest.update(np.ascontiguousarray(vector).tobytes())
    return digest.hexdigest()


@contextmanager
def to_parquet(path: Path, origin: Origin) -> Iterator[Write]:
    """Write columns `file`, `start` (seconds) and `embedding`, with the origin in the metadata.

    Raises:
        MissingExtraError: when pyarrow is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing Parquet", "parquet") from error

    with atomic_path(path) as temporary, text_path(temporary) as name:
        writer = _GroupWriter(name, origin)
        yield writer.write
        writer.close()


class _GroupWriter:
    """Gathers recordings until they make a row group: one for each would cost more than its rows."""

    def __init__(self, path: Path, origin: Origin) -> None:
        self._path, self._origin = path, origin
        self._waiting: list[EmbeddedRecording] = []
        self._n_waiting = 0
        self._writer: parquet.ParquetWriter | None = None

    def write(self, recording: EmbeddedRecording) -> None:
        """Take one recording."""
        self._waiting.append(recording)
        self._n_waiting += len(recording.vectors)
        if self._n_waiting >= ROWS_PER_GROUP:
            self._write_group()

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        if self._waiting:
            self._write_group()
        if self._writer is not None:
            self._writer.close()

    def _write_group(self) -> None:
        table = _table(self._waiting, self._origin)
        self._writer = self._writer or _open_writer(self._path, table.schema)
        # What waits is a group, unless the last recording was a long one.
        self._writer.write_table(table, row_group_size=2 * ROWS_PER_GROUP)
        self._waiting, self._n_waiting = [], 0


def _open_writer(path: Path, schema: Any) -> parquet.ParquetWriter:
    from pyarrow import parquet

    # Vectors do not shrink; a few names that repeat do.
    return parquet.ParquetWriter(path, schema, use_dictionary=["file"], compression="NONE")


def _table(recordings: list[EmbeddedRecording], origin: Origin) -> Any:
    import pyarrow as pa

    vectors = np.concatenate([recording.vectors for recording in recordings])
    names = [spelled(recording.file) for recording in recordings]
    counts = [len(recording.vectors) for recording in recordings]
    columns = {
        "file": pa.array(np.repeat(np.array(names, object), counts), pa.string()),
        "start": pa.array(np.concatenate([recording.starts_s for recording in recordings])),
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1]),
    }
    made_by = origin.to_json().encode()
    return pa.table(columns).replace_schema_metadata({ORIGIN_KEY: made_by})


FORMATS: dict[str, Callable[[Path, Origin], AbstractContextManager[Write]]] = {
    ".npy": to_npy,
    ".parquet": to_parquet,
}
