"""AudioSet as rows of HDF5 or Parquet tables, which carry labels and names of videos themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from htsat.data.manifest import Clip, Row
from htsat.data.prepare.audioset import Classes, Contents, Segment, note_missing
from htsat.data.prepare.listing import Missing
from htsat.data.prepare.tables import HDF5_SUFFIXES, PARQUET_SUFFIX, bytes_column, open_hdf5, open_parquet
from htsat.data.prepare.youtube import parse_name
from htsat.errors import DataError

_FOLD_WORDS = {"unbal": "unbalanced_train", "bal": "balanced_train", "eval": "eval", "test": "eval"}
"""What the name of a table or of its folder contains, and the fold it then holds; the first one counts."""

_VIDEO_COLUMNS = ("video_id", "ytid", "audio_name")
_LABEL_COLUMNS = ("labels", "human_labels")


TABLE_SUFFIXES = HDF5_SUFFIXES | {PARQUET_SUFFIX}


class _TableRow(NamedTuple):
    """`name` is the video or the name of its file, empty where the recording could not be had."""

    name: str
    labels: tuple[str, ...]


def read_tables(
    source: Path,
    tables: list[Path],
    segments: Mapping[str, Mapping[str, Segment]],
    contents: Contents,
) -> None:
    """Make a clip of every row that has a recording and labels.

    The fold comes from Google's lists where they are there, else from the names of table and folder.
    """
    fold_of = {video: fold for fold, listed in segments.items() for video in listed}
    n_unlabelled = 0
    for table in tables:
        table_fold = _fold_of_path(source, table)
        for index, row in enumerate(_rows(table, contents.classes)):
            video = _video(row.name)
            fold = fold_of.get(video, table_fold)
            if not row.name:
                contents.missing.append(Missing(f"{table}[{index}]", fold))
            elif row.labels:
                contents.clips.append(Clip(table, row.labels, fold=fold, group=video, place=Row(index)))
            else:
                n_unlabelled += 1
    if n_unlabelled:
        contents.notes.append(f"{n_unlabelled:,} rows without a known label are left out")
    if not contents.clips:
        raise DataError(f"{source}: no row of its tables has a recording and labels")
    if segments:
        note_missing(segments, {clip.group for clip in contents.clips}, contents)


def clips_of_table(table: Path) -> Iterator[tuple[Clip, str]]:
    """The rows that have a recording, without labels, and the names of their files without suffix."""
    for index, row in enumerate(_rows(table, Classes())):
        if row.name:
            yield Clip(table, (), place=Row(index)), Path(row.name).stem


def _rows(table: Path, classes: Classes) -> Iterator[_TableRow]:
    read = _parquet_rows if table.suffix.lower() == PARQUET_SUFFIX else _hdf5_rows
    return read(table, classes)


def _video(name: str) -> str:
    parsed = parse_name(Path(name).stem)
    return parsed.video if parsed else name


def _fold_of_path(source: Path, table: Path) -> str | None:
    for part in (*reversed(table.relative_to(source).parts), source.name):
        for word, fold in _FOLD_WORDS.items():
            if word in part.lower():
                return fold
    return None


def _hdf5_rows(path: Path, classes: Classes) -> Iterator[_TableRow]:
    with open_hdf5(path) as file:
        absent = [name for name in ("audio_name", "waveform", "target") if name not in file]
        if absent:
            raise DataError(f"{path}: has no {absent[0]}; expected audio_name, waveform and target")
        targets = file["target"][:]
        if targets.ndim != 2 or targets.shape[1] != len(classes.labels):
            raise DataError(f"{path}: expected targets of {len(classes.labels)} classes, got {targets.shape}")
        for name, target in zip(file["audio_name"][:], targets, strict=True):
            text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
            yield _TableRow(text, classes.names(np.flatnonzero(target).tolist()))


def _parquet_rows(path: Path, classes: Classes) -> Iterator[_TableRow]:
    with open_parquet(path) as file:
        columns = file.schema_arrow.names
        bytes_column(path, columns)
        wanted = _first(path, _VIDEO_COLUMNS, columns), _first(path, _LABEL_COLUMNS, columns)
        for batch in file.iter_batches(columns=list(wanted)):
            for name, labels in zip(*(batch.column(column).to_pylist() for column in wanted), strict=True):
                yield _TableRow(str(name or ""), classes.names(_label_keys(path, labels)))


def _first(path: Path, names: tuple[str, ...], columns: list[str]) -> str:
    for name in names:
        if name in columns:
            return name
    raise DataError(f"{path}: expected a column {' or '.join(names)}, found {', '.join(columns)}")


def _label_keys(path: Path, cell: Any) -> list[str | int]:
    if cell is None:
        return []
    if not isinstance(cell, list):
        raise DataError(f"{path}: labels must be lists of names, mids or indices, got {cell!r}")
    return cell
