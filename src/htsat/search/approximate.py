"""An approximate index for millions of vectors: a graph of neighbours (HNSW, by usearch) beside the index.

Built once from all vectors, in half precision, it finds most of the nearest in milliseconds. It is read from
the disk as far as a search needs it; building takes the memory of all its vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htsat.errors import ConfigError, DataError, MissingExtraError, last_line
from htsat.files import atomic_path
from htsat.formats.embedding_files import EmbeddingFile
from htsat.formats.embeddings import ORIGIN_SUFFIX, ROWS_SUFFIX
from htsat.scores import FloatArray
from htsat.search.index import Index
from htsat.search.ranking import Hit, Per, Ranking
from htsat.search.vectors import direction

if TYPE_CHECKING:
    from usearch.index import Index as Graph

_N_LOOKED_AT = 256
"""Candidates that a search keeps: more finds more of the nearest and takes longer."""
_MOMENTS_PER_RECORDING = 8
"""Moments that are looked for, for each recording that is wanted; more, should they not do."""


def graph_path(index: Index) -> Path:
    """The file of the graph, beside the index."""
    return index.path.with_name(f"{index.path.name}.usearch")


def is_current(index: Index) -> bool:
    """Whether there is a graph that is not older than any file of the index."""
    path = graph_path(index)
    newest = max(_changed_at(part) for part in index.parts)
    return path.is_file() and path.stat().st_mtime_ns >= newest


def build(index: Index, advance: Callable[[int], object]) -> None:
    """Write the graph of an index; `advance` hears of each number of rows that went in.

    Raises:
        MissingExtraError: when usearch is not installed.
        DataError: when a vector is not finite.
    """
    try:
        from usearch.index import Index as Graph
    except ModuleNotFoundError as error:
        raise MissingExtraError("approximate search", "ann") from error
    graph = Graph(ndim=index.dim, metric="cos", dtype="f16")
    n_done = 0
    for places, vectors in index.blocks():
        graph.add(np.arange(n_done, n_done + len(vectors)), vectors)
        n_done += len(vectors)
        advance(len(places.files))
    with atomic_path(graph_path(index)) as temporary:
        graph.save(str(temporary))


def nearest(
    index: Index, vectors: FloatArray, top: int = 10, per: Per = "recording", excluded: Set[str] = frozenset()
) -> list[Hit]:
    """As `Index.nearest`, by the graph that `build` wrote: nearly always the same, in much less time.

    Raises:
        ConfigError: when the vectors of the index are projected, or `top` is below 1.
        DataError: when the graph is not one, or not that of the index, or the vectors do not fit.
        MissingExtraError: when usearch is not installed.
    """
    if top < 1:
        raise ConfigError(f"top must be at least 1, got {top}")
    if index.projection is not None:
        raise ConfigError("an approximate index knows vectors as they are, not projected ones")
    graph, query = _open(index), direction(vectors)
    if len(query) != index.dim:
        raise DataError(
            f"{index.path}: its vectors have {index.dim} values, that of the query has {len(query)}"
        )
    n_moments = top if per == "moment" else _MOMENTS_PER_RECORDING * top
    while True:
        n_moments = min(n_moments + len(excluded), index.n_rows)
        matches = graph.search(query, n_moments)
        by_row = np.argsort(matches.keys)
        ranking = Ranking(top, per, excluded)
        ranking.push(index.places_at(matches.keys[by_row].tolist()), 1 - matches.distances[by_row])
        if len(ranking.hits()) == top or n_moments == index.n_rows:
            return ranking.hits()
        n_moments *= 4


def _open(index: Index) -> Graph:
    try:
        from usearch.index import Index as Graph
    except ModuleNotFoundError as error:
        raise MissingExtraError("approximate search", "ann") from error
    path = graph_path(index)
    if not path.is_file():
        raise DataError(f"{path}: no such approximate index")
    try:
        graph = Graph.restore(str(path), view=True)
    except (RuntimeError, ValueError, OSError) as error:
        raise DataError(f"{path}: is not an approximate index: {last_line(error)}") from None
    if graph is None or (len(graph), graph.ndim) != (index.n_rows, index.dim):
        raise DataError(f"{path}: is not the approximate index of {index.path}; delete it")
    tuned: Any = graph  # as whose stubs see it, this cannot be set
    tuned.expansion_search = _N_LOOKED_AT
    return graph


def _changed_at(part: EmbeddingFile) -> int:
    beside = (part.path.with_suffix(suffix) for suffix in (ROWS_SUFFIX, ORIGIN_SUFFIX))
    return max(path.stat().st_mtime_ns for path in (part.path, *beside) if path.is_file())
