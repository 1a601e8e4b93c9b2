"""An index of embeddings: one file, or a folder of them, read a block at a time.

Exact search: every vector is compared, in single precision, whatever the size of the index; memory holds a
block of rows and the best so far.

N rows of D values, Q queries, n rows of a block.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from htsat.errors import ConfigError, DataError
from htsat.formats.embedding_files import Block, EmbeddingFile, Places, open_embeddings
from htsat.formats.embeddings import Origin
from htsat.scores import FloatArray, Seconds
from htsat.search.ranking import Hit, Per, Ranking
from htsat.search.vectors import direction, units

SUFFIXES = (".parquet", ".npy")

Projection = Callable[[FloatArray], FloatArray]
"""From vectors of an index to another space, `(n, D)` -> `(n, D')`."""


class IndexedRecording(NamedTuple):
    """The vectors `(n, D)` of a recording, and the times `(n,)` where what they describe begins."""

    file: str
    starts_s: Seconds
    vectors: FloatArray


@dataclass(frozen=True)
class Index:
    """Embeddings of recordings that can be searched; made by `open`.

    `origin` says what made them; None where the files do not say. The names of recordings are only names:
    they need not exist on this machine.
    """

    path: Path
    parts: tuple[EmbeddingFile, ...]
    projection: Projection | None = None

    @classmethod
    def open(cls, path: Path) -> Index:
        """The index in a `.parquet` or `.npy` file, or in all such files below a folder.

        Raises:
            DataError: when there is none, it is empty, or its parts do not fit each other.
            MissingExtraError: when pyarrow is needed and not installed.
        """
        paths = _parts_below(path) if path.is_dir() else [path]
        index = cls(path, tuple(map(open_embeddings, paths)))
        if not index.n_rows:
            raise DataError(f"{path}: the index is empty")
        _check_alike(index.parts)
        return index

    @property
    def n_rows(self) -> int:
        """How many vectors there are."""
        return sum(part.n_rows for part in self.parts)

    @property
    def dim(self) -> int:
        """How many values each has."""
        return self.parts[0].dim

    @property
    def origin(self) -> Origin | None:
        """What made the vectors."""
        return self.parts[0].origin

    def projected(self, projection: Projection) -> Index:
        """The same index, whose vectors go through a projection before they are compared."""
        return dataclasses.replace(self, projection=projection)

    def blocks(self) -> Iterator[Block]:
        """All rows, a block at a time, projected and of length 1.

        Raises:
            DataError: when a vector is not finite, or a file cannot be read.
        """
        for part in self.parts:
            for places, vectors in part.blocks():
                _check_finite(part.path, places, vectors)
                projected = vectors if self.projection is None else self.projection(vectors)
                yield Block(places, units(projected))

    def places_at(self, rows: Sequence[int]) -> Places:
        """Where some rows come from, in the order of `rows`, which must ascend."""
        files: list[str] = []
        starts_s = [np.empty(0)]
        first = 0
        for part in self.parts:
            here = [row - first for row in rows if first <= row < first + part.n_rows]
            if here:
                found = part.places_at(here)
                files += found.files
                starts_s.append(found.starts_s)
            first += part.n_rows
        return Places(files, np.concatenate(starts_s))

    def nearest(
        self,
        vectors: FloatArray,
        top: int = 10,
        per: Per = "recording",
        excluded: Set[str] = frozenset(),
    ) -> list[Hit]:
        """What is nearest to the direction in which vectors `(n, D)` point together, the most similar first.

        Equal ones come in the order of the index. `excluded` names recordings that do not count.

        Raises:
            DataError: when the vectors have another length than those of the index, or are not finite.
            ConfigError: when `top` is below 1.
        """
        [hits] = self.nearest_to_each(direction(vectors)[np.newaxis], top, per, excluded)
        return hits

    def nearest_to_each(
        self,
        queries: FloatArray,
        top: int = 10,
        per: Per = "recording",
        excluded: Set[str] = frozenset(),
    ) -> list[list[Hit]]:
        """What is nearest to each of several queries `(Q, D)`, in one pass over the index; see `nearest`."""
        if top < 1:
            raise ConfigError(f"top must be at least 1, got {top}")
        queries = units(queries)
        rankings = [Ranking(top, per, excluded) for _ in queries]
        for places, vectors in self.blocks():
            _check_dim(self.path, vectors.shape[1], queries.shape[1])
            for ranking, similarities in zip(rankings, queries @ vectors.T, strict=True):
                ranking.push(places, similarities)
        return [ranking.hits() for ranking in rankings]

    def recording(self, name: str) -> IndexedRecording:
        """The rows of a recording, by its name in the index or by the end of its path, if only one ends so.

        Raises:
            DataError: when there is none, or several end so.
        """
        found: dict[str, list[IndexedRecording]] = {}
        for part in self.parts:
            for places, vectors in part.blocks():
                for file in dict.fromkeys(file for file in places.files if _is_called(file, name)):
                    rows = np.flatnonzero([other == file for other in places.files])
                    _check_finite(part.path, places, vectors)
                    piece = IndexedRecording(file, places.starts_s[rows], vectors[rows])
                    found.setdefault(file, []).append(piece)
        pieces = found.get(name) or _only(self.path, name, found)
        starts_s = np.concatenate([piece.starts_s for piece in pieces])
        return IndexedRecording(pieces[0].file, starts_s, np.concatenate([piece.vectors for piece in pieces]))

    def moment(self, recording: IndexedRecording, at_s: float) -> FloatArray:
        """The vector `(1, D)` of the stretch of a recording whose middle is nearest to a time.

        Raises:
            DataError: when the recording is not that long.
        """
        span_s = self.origin.span_s if self.origin else 0.0
        end_s = float(recording.starts_s.max()) + span_s
        if self.origin and at_s > end_s:
            raise DataError(
                f"{recording.file}: ends at {end_s:g} s or before, there is nothing at {at_s:g} s"
            )
        row = int(np.abs(recording.starts_s + span_s / 2 - at_s).argmin())
        return recording.vectors[row : row + 1]


def _parts_below(folder: Path) -> list[Path]:
    below = [path.relative_to(folder) for path in folder.rglob("*") if path.suffix in SUFFIXES]
    visible = sorted(path for path in below if not any(part.startswith(".") for part in path.parts))
    if not visible:
        raise DataError(f"{folder}: no embeddings in this folder (.parquet or .npy, as htsat embed writes)")
    return [folder / path for path in visible]


def _check_alike(parts: tuple[EmbeddingFile, ...]) -> None:
    first = parts[0]
    for part in parts[1:]:
        if part.dim != first.dim:
            raise DataError(f"{part.path} has {part.dim} values in a vector, {first.path} has {first.dim}")
        makers = [(origin.sha256, origin.per) if origin else None for origin in (first.origin, part.origin)]
        if makers[0] != makers[1]:
            raise DataError(
                f"{part.path} was made by {_maker(part.origin)}, {first.path} by {_maker(first.origin)}"
            )


def _maker(origin: Origin | None) -> str:
    if origin is None:
        return "an unknown model"
    return f"model {origin.model!r} (sha256 {origin.sha256[:8]}, one vector per {origin.per})"


def _check_finite(path: Path, places: Places, vectors: FloatArray) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        where = f"{places.files[bad[0]]} at {places.starts_s[bad[0]]:g} s"
        raise DataError(f"{path}: the vector of {where} is not finite")


def _check_dim(path: Path, dim: int, n_values: int) -> None:
    if dim != n_values:
        raise DataError(f"{path}: its vectors have {dim} values, that of the query has {n_values}")


def _is_called(file: str, name: str) -> bool:
    return file == name or file.endswith(f"/{name}")


def _only(path: Path, name: str, found: dict[str, list[IndexedRecording]]) -> list[IndexedRecording]:
    if not found:
        raise DataError(f"{path}: has no recording {name!r}")
    if len(found) > 1:
        several = ", ".join(list(found)[:3])
        raise DataError(f"{path}: {len(found)} recordings are called {name!r} ({several}); give the path")
    return next(iter(found.values()))
