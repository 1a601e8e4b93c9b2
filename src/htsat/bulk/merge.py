"""All parts of a run as one file, in the order of the listing; memory holds one group of rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from htsat.errors import DataError, MissingExtraError, last_line
from htsat.files import atomic_path, text_path

_ROWS_IN_GROUP = 100_000
_BYTES_IN_GROUP = 64 * 2**20


def merge_texts(parts: Iterable[Path], path: Path, header: str) -> None:
    """Join text files that all begin with a header.

    Raises:
        DataError: when a part does not.
    """
    head = header.encode()
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(head)
        for part in parts:
            with part.open("rb") as text:
                if text.read(len(head)) != head:
                    raise DataError(f"{part}: is not a part of this run; remove it and call again")
                shutil.copyfileobj(text, file, 2**20)


def merge_parquet(parts: Iterable[Path], path: Path) -> None:
    """Join Parquet files of the same columns; metadata is that of the first.

    Raises:
        DataError: when a part cannot be read, or is of another kind.
        MissingExtraError: when pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise MissingExtraError("writing Parquet", "parquet") from error
    waiting: list[Any] = []
    with atomic_path(path) as temporary, text_path(temporary) as name, ExitStack() as resources:
        writer = None
        for part in parts:
            try:
                writer = writer or resources.enter_context(_writer(name, part))
                for group in _groups(part):
                    waiting.append(group)
                    if _is_group(waiting):
                        writer.write_table(pa.concat_tables(waiting))
                        waiting.clear()
            except (pa.ArrowException, ValueError) as error:
                raise DataError(f"{part}: cannot be joined ({last_line(error)}); remove it") from error
        if writer is not None and waiting:
            writer.write_table(pa.concat_tables(waiting))


def _is_group(tables: list[Any]) -> bool:
    n_rows, n_bytes = sum(map(len, tables)), sum(table.nbytes for table in tables)
    return n_rows >= _ROWS_IN_GROUP or n_bytes >= _BYTES_IN_GROUP


def _groups(part: Path) -> Iterator[Any]:
    from pyarrow import parquet

    with text_path(part) as name, parquet.ParquetFile(name) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)


def _writer(path: Path, part: Path) -> Any:
    """A writer that stores columns as those of a part are stored."""
    from pyarrow import parquet, types

    with text_path(part) as name, parquet.ParquetFile(name) as file:
        schema = file.schema_arrow
        codec = file.metadata.row_group(0).column(0).compression if file.num_row_groups else "SNAPPY"
    texts = [field.name for field in schema if types.is_string(field.type)]
    compression = "NONE" if codec == "UNCOMPRESSED" else codec
    return parquet.ParquetWriter(path, schema, use_dictionary=texts, compression=compression)
