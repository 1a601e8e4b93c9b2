"""Files of frame scores: one per recording, named after it, as text (`.tsv`) or as arrays (`.npz`).

The text has the layout of `sed_scores_eval`: a row for each frame with `onset` and `offset` in seconds, then
a column for each class. It keeps every digit. With hundreds of classes arrays are a third as large and are
read many times faster: `scores` `(T, K)`, `boundaries_s` `(T + 1,)`, `labels` `(K,)`.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from htsat.errors import DataError, HtsatError, last_line
from htsat.files import atomic_path
from htsat.formats.bounded import bounded_lines
from htsat.formats.csv_rows import csv_writer
from htsat.formats.recording import reading
from htsat.labels import LabelSet
from htsat.scores import FrameGrid

Scores = NDArray[np.floating]

_MAX_SMALL_BYTES, _MAX_RATIO = 2**28, 20
"""Unpacked scores may be as large as the first; above, so many times as large as the file."""


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of each frame of a recording, `(T, K)`: probabilities, or any numbers that rise with certainty.

    Raises:
        DataError: when they do not fit the grid or the labels, or are not numbers.
    """

    probabilities: Scores
    grid: FrameGrid
    labels: LabelSet

    def __post_init__(self) -> None:
        expected = (self.grid.n_frames, len(self.labels))
        if self.probabilities.shape != expected:
            raise DataError(f"expected scores {expected}, got {self.probabilities.shape}")
        if not self.grid.n_frames:
            raise DataError("a table of scores needs a frame")
        if np.isnan(self.probabilities).any():
            raise DataError("a score is not a number")

    def of(self, labels: LabelSet) -> ScoreTable:
        """The same with the columns of these classes, in this order."""
        if labels == self.labels:
            return self
        columns = [self.labels.index(name) for name in labels]
        return ScoreTable(self.probabilities[:, columns], self.grid, labels)


def write_tsv(path: Path, table: ScoreTable) -> None:
    """Write a row for each frame, with all digits."""
    boundaries = [repr(float(time_s)) for time_s in table.grid.boundaries_s]
    n_digits = 9 if table.probabilities.dtype.itemsize <= 4 else 17
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv_writer(file, "\t").writerow(["onset", "offset", *table.labels])
        for onset, offset, row in zip(boundaries[:-1], boundaries[1:], table.probabilities, strict=True):
            numbers = "\t".join(f"{score:.{n_digits}g}" for score in row.tolist())
            file.write(f"{onset}\t{offset}\t{numbers}\n")


def read_tsv(path: Path) -> ScoreTable:
    """Read what `write_tsv` or `sed_scores_eval` has written.

    Raises:
        DataError: when the file is no such table, or its frames do not follow one another.
    """
    with reading(path, "a table of scores"), path.open(newline="", encoding="utf-8") as file:
        rows_of_text = bounded_lines(file)
        header = next(csv.reader(rows_of_text, delimiter="\t"), [])
        if header[:2] != ["onset", "offset"] or len(header) < 3:
            raise ValueError(f"expected columns onset, offset and classes, got {', '.join(header[:3])}")
        lines = list(rows_of_text)
        if not lines:
            raise ValueError("it has no frames")
        rows = np.loadtxt(lines, delimiter="\t", comments=None, ndmin=2)
        if rows.shape[1] != len(header):
            raise ValueError(f"the header names {len(header)} columns, the rows have {rows.shape[1]}")
        if np.any(rows[1:, 0] != rows[:-1, 1]):
            frame = int(np.argmax(rows[1:, 0] != rows[:-1, 1])) + 1
            raise ValueError(f"frame {frame} does not begin where the one before it ends")
        return _table(path, rows[:, 2:], np.append(rows[:, 0], rows[-1, 1]), header[2:])


def write_npz(path: Path, table: ScoreTable) -> None:
    """Write the arrays of a table."""
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            scores=table.probabilities,
            boundaries_s=table.grid.boundaries_s,
            labels=np.array(table.labels.names),
        )


def read_npz(path: Path) -> ScoreTable:
    """Read what `write_npz` has written.

    Raises:
        DataError: when the file is not of this kind.
    """
    try:
        with reading(path, "a file of scores"), path.open("rb") as file:
            _refuse_bomb(path)
            arrays = np.load(file, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise ValueError("it holds one array without a name")
            missing = {"scores", "boundaries_s", "labels"} - set(arrays)
            if missing:
                raise ValueError(f"it has no array {', '.join(sorted(missing))}")
            names = [str(name) for name in arrays["labels"]]
            return _table(path, arrays["scores"], arrays["boundaries_s"], names)
    except HtsatError:
        raise
    except Exception as error:  # a damaged file can make numpy raise anything
        raise DataError(f"{path}: is not a file of scores: {last_line(error)}") from error


def _refuse_bomb(path: Path) -> None:
    """Refuse arrays that would fill the memory out of a small file, before they are unpacked."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        n_unpacked = sum(entry.file_size for entry in archive.infolist())
    n_allowed = max(_MAX_SMALL_BYTES, _MAX_RATIO * path.stat().st_size)
    if n_unpacked > n_allowed:
        raise ValueError(f"its arrays have {n_unpacked:,} bytes, at most {n_allowed:,} are unpacked")


def _table(path: Path, scores: Scores, boundaries_s: NDArray[np.float64], names: Sequence[str]) -> ScoreTable:
    try:
        return ScoreTable(scores, FrameGrid(boundaries_s), LabelSet.of(names))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


FORMATS: Mapping[str, tuple[Callable[[Path], ScoreTable], Callable[[Path, ScoreTable], None]]] = {
    ".npz": (read_npz, write_npz),
    ".tsv": (read_tsv, write_tsv),
}
"""Reader and writer by suffix."""


@dataclass(frozen=True)
class ScoreFolder:
    """The score files of some recordings, read when asked for, with the columns of some classes.

    `len` and indices are those of `files`.
    """

    files: tuple[Path, ...]
    labels: LabelSet

    @classmethod
    def of(cls, folder: Path, recordings: Sequence[str], labels: LabelSet) -> ScoreFolder:
        """The files of recordings: `street.wav` has its scores in `street.tsv` or `street.npz`.

        Raises:
            DataError: when one is missing or there twice, or two recordings would share one.
        """
        found = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        files: dict[Path, str] = {}
        for name in recordings:
            path = folder / _only_file(folder, PurePath(name).stem, found)
            if path in files:
                raise DataError(f"{files[path]} and {name} have the same file of scores, {path}")
            files[path] = name
        return cls(tuple(files), labels)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> ScoreTable:
        """The scores of a recording.

        Raises:
            DataError: when its file cannot be read or lacks a class.
        """
        path = self.files[index]
        read, _ = FORMATS[path.suffix]
        table = read(path)
        try:
            return table.of(self.labels)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error


def _only_file(folder: Path, stem: str, found: set[str]) -> str:
    names = [f"{stem}{suffix}" for suffix in FORMATS]
    present = [name for name in names if name in found]
    if len(present) != 1:
        raise DataError(
            f"{folder}: expected one of {' and '.join(names)}, found {' and '.join(present) or 'none'}"
        )
    return present[0]
