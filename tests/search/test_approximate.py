"""The approximate index: what exact search finds, nearly always, and never that of another index."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from htsat.errors import ConfigError, DataError, MissingExtraError
from htsat.formats.embeddings import EmbeddedRecording
from htsat.search import Index, approximate

usearch = pytest.importorskip("usearch")


@pytest.fixture
def many():
    """3,000 moments in clusters, as sounds of a class are."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((30, 12))
    vectors = (centres[rng.integers(0, 30, 3000)] + 0.3 * rng.standard_normal((3000, 12))).astype(np.float32)
    return [
        EmbeddedRecording(f"{number}.wav", part, np.arange(len(part), dtype=np.float64))
        for number, part in enumerate(np.array_split(vectors, 400))
    ]


def built(path):
    index = Index.open(path)
    counts = []
    approximate.build(index, counts.append)
    assert sum(counts) == index.n_rows
    return index


@pytest.mark.parametrize("per", ["recording", "moment"])
def test_nearly_all_of_the_nearest_are_found(write, many, per):
    index = built(write(many))
    queries = np.random.default_rng(1).standard_normal((20, 1, 12)).astype(np.float32)
    n_found = 0
    for query in queries:
        exact, found = index.nearest(query, 10, per), approximate.nearest(index, query, 10, per)
        n_found += len({hit[:2] for hit in exact} & {hit[:2] for hit in found})
        by_place = {hit[:2]: hit.similarity for hit in exact}
        for hit in found:
            assert hit.similarity == pytest.approx(by_place.get(hit[:2], hit.similarity), abs=2e-3)
    assert n_found >= 0.98 * 200


def test_a_list_as_long_as_the_index_is_whole(write, recordings):
    index = built(write(recordings, "index.npy"))
    query = recordings[0].vectors[:1]
    whole = approximate.nearest(index, query, 1000, excluded={recordings[0].file})
    assert {hit.file for hit in whole} == {recording.file for recording in recordings[1:]}


def test_recordings_of_many_moments_do_not_hide_others(write):
    rng = np.random.default_rng(0)
    query = rng.standard_normal((1, 12)).astype(np.float32)
    near = query + 0.01 * rng.standard_normal((500, 12)).astype(np.float32)
    far = [
        EmbeddedRecording(f"{n}.wav", rng.standard_normal((1, 12)).astype(np.float32), np.zeros(1))
        for n in range(3)
    ]
    index = built(write([EmbeddedRecording("long.wav", near, np.arange(500.0)), *far]))
    assert len(approximate.nearest(index, query, 4)) == 4


def test_it_lies_beside_a_folder_too_and_is_current_until_a_part_changes(write, recordings, tmp_path):
    path = write(recordings, "parts/a.npy")
    index = Index.open(tmp_path / "parts")
    assert approximate.graph_path(index) == tmp_path / "parts.usearch"
    assert not approximate.is_current(index)
    approximate.build(index, lambda n_rows: None)
    assert approximate.is_current(index)
    later_ns = (tmp_path / "parts.usearch").stat().st_mtime_ns + 10**9
    os.utime(path.with_suffix(".rows.csv"), ns=(later_ns, later_ns))
    assert not approximate.is_current(index)


def test_what_is_not_the_graph_of_the_index_is_refused(write, recordings, tmp_path):
    query = np.ones((1, 12), np.float32)
    index = Index.open(write(recordings))
    graph = approximate.graph_path(index)
    with pytest.raises(DataError, match=r"index.parquet.usearch: no such approximate index"):
        approximate.nearest(index, query)
    graph.write_bytes(b"something else")
    with pytest.raises(DataError, match=r"index.parquet.usearch: is not an approximate index"):
        approximate.nearest(index, query)
    other = built(write(recordings[:5], "other.parquet"))
    graph.write_bytes(approximate.graph_path(other).read_bytes())
    with pytest.raises(DataError, match=r"is not the approximate index of .*index.parquet; delete it"):
        approximate.nearest(index, query)
    approximate.build(index, lambda n_rows: None)
    with pytest.raises(DataError, match="its vectors have 12 values, that of the query has 5"):
        approximate.nearest(index, np.ones((1, 5), np.float32))
    with pytest.raises(ConfigError, match="top must be at least 1, got 0"):
        approximate.nearest(index, query, 0)
    with pytest.raises(ConfigError, match="not projected ones"):
        approximate.nearest(index.projected(lambda vectors: vectors), query)


def test_without_usearch_the_extra_is_named(write, recordings, monkeypatch):
    index = built(write(recordings))
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    for use in (
        lambda: approximate.build(index, lambda n_rows: None),
        lambda: approximate.nearest(index, np.ones((1, 12), np.float32)),
    ):
        with pytest.raises(MissingExtraError, match=r"approximate search needs .*htsat\[ann\]"):
            use()
