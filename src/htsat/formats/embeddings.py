"""Files of embeddings: `.npy` with a list of its rows beside it, or `.parquet` with both in one."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from htsat.errors import MissingExtraError
from htsat.files import atomic_path
from htsat.formats.recording import time_text
from htsat.scores import FloatArray, Seconds

ROWS_SUFFIX = ".rows.csv"


class EmbeddedRecording(NamedTuple):
    """The vectors `(n, D)` of a recording and the times `(n,)` where what they describe begins."""

    file: str
    vectors: FloatArray
    starts_s: Seconds


Write = Callable[[EmbeddedRecording], None]


@contextmanager
def to_npy(path: Path) -> Iterator[Write]:
    """Gather vectors; they and `NAME.rows.csv` (file, start) take their names when the block ends well."""
    vectors: list[FloatArray] = []
    rows: list[tuple[str, str]] = []

    def write(recording: EmbeddedRecording) -> None:
        vectors.append(recording.vectors)
        rows.extend((recording.file, time_text(start_s)) for start_s in recording.starts_s)

    with atomic_path(path) as vector_file, atomic_path(path.with_suffix(ROWS_SUFFIX)) as row_file:
        yield write
        np.save(vector_file, np.concatenate(vectors))
        with row_file.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("file", "start"), *rows])


@contextmanager
def to_parquet(path: Path) -> Iterator[Write]:
    """Write columns `file`, `start` (seconds) and `embedding`, a row group for each recording.

    Raises:
        MissingExtraError: when pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing Parquet", "parquet") from error

    with atomic_path(path) as temporary:
        writer: parquet.ParquetWriter | None = None

        def write(recording: EmbeddedRecording) -> None:
            nonlocal writer
            n_rows, size = recording.vectors.shape
            flat = pa.array(recording.vectors.reshape(-1))
            columns = {
                # Parquet holds text; a file name that is none keeps its readable part.
                "file": pa.array([recording.file.encode(errors="replace").decode()] * n_rows),
                "start": pa.array(recording.starts_s),
                "embedding": pa.FixedSizeListArray.from_arrays(flat, size),
            }
            table = pa.table(columns)
            writer = writer or parquet.ParquetWriter(temporary, table.schema)
            writer.write_table(table)

        yield write
        if writer is not None:
            writer.close()


FORMATS: dict[str, Callable[[Path], AbstractContextManager[Write]]] = {".npy": to_npy, ".parquet": to_parquet}
