"""Exact search: the same as sorting all similarities, whatever the file, its blocks and its parts."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from htsat.errors import ConfigError, DataError
from htsat.formats import embedding_files, embeddings
from htsat.formats.embeddings import EmbeddedRecording, Origin
from htsat.search import Hit, Index

ORIGIN = Origin("some-model", "ab" * 32, "clip", 2.0, 0.5, (1.0,) * 12, "0.1.0")
QUERY = np.random.default_rng(1).standard_normal((1, 12)).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    for module in (embeddings, embedding_files):
        monkeypatch.setattr(module, "ROWS_PER_GROUP", 7)


def all_moments(recordings, query=QUERY):
    """Every moment with its similarity in double precision, sorted by the built-in sort."""
    q = query[0].astype(np.float64)
    hits = []
    for recording in recordings:
        for vector, start_s in zip(recording.vectors.astype(np.float64), recording.starts_s, strict=True):
            cosine = vector @ q / np.linalg.norm(vector) / np.linalg.norm(q)
            hits.append(Hit(recording.file, start_s, cosine))
    return sorted(hits, key=lambda hit: -hit.similarity)


def best_of_each(hits):
    return list({hit.file: hit for hit in reversed(hits)}.values())[::-1]


def assert_alike(found, expected):
    assert [hit[:2] for hit in found] == [hit[:2] for hit in expected]
    np.testing.assert_allclose(
        [hit.similarity for hit in found], [hit.similarity for hit in expected], atol=2e-6
    )


@pytest.mark.parametrize("name", ["index.parquet", "index.npy"])
@pytest.mark.parametrize("top", [1, 10, 1000])
@pytest.mark.usefixtures("small_blocks")
def test_search_is_exact(write, recordings, name, top):
    index = Index.open(write(recordings, name))
    moments = all_moments(recordings)
    assert_alike(index.nearest(QUERY, top, "moment"), moments[:top])
    recordings_once = sorted(best_of_each(moments), key=lambda hit: -hit.similarity)
    assert_alike(index.nearest(QUERY, top), recordings_once[:top])


def test_scikit_learn_finds_the_same(write, recordings):
    vectors = np.concatenate([recording.vectors for recording in recordings])
    distances, rows = NearestNeighbors(n_neighbors=5, metric="cosine").fit(vectors).kneighbors(QUERY)
    found = Index.open(write(recordings)).nearest(QUERY, 5, "moment")
    np.testing.assert_allclose([hit.similarity for hit in found], 1 - distances[0], atol=2e-6)
    places = [(r.file, start_s) for r in recordings for start_s in r.starts_s]
    assert [hit[:2] for hit in found] == [places[row] for row in rows[0]]


def test_blocks_files_and_parts_change_nothing(write, recordings, tmp_path, monkeypatch):
    expected = Index.open(write(recordings)).nearest(QUERY, 12)
    for n_rows in (1, 13):
        for module in (embeddings, embedding_files):
            monkeypatch.setattr(module, "ROWS_PER_GROUP", n_rows)
        assert Index.open(write(recordings, f"{n_rows}.parquet")).nearest(QUERY, 12) == expected
    for part, name in enumerate(["a.parquet", "b.npy", "c.parquet"]):
        write(recordings[part * 15 : (part + 1) * 15], f"parts/deep/{name}")
    write(recordings, "parts/.hidden.parquet")
    parts = Index.open(tmp_path / "parts")
    assert (len(parts.parts), parts.n_rows) == (3, sum(len(r.vectors) for r in recordings))
    assert parts.nearest(QUERY, 12) == expected


@pytest.mark.usefixtures("small_blocks")
def test_equal_ones_come_in_the_order_of_the_index(write):
    same = np.tile(QUERY, (4, 1))
    twins = [EmbeddedRecording(f"{n}.wav", same * (n + 1), np.arange(4.0)) for n in range(6)]
    index = Index.open(write(twins))
    assert index.nearest(QUERY, 4) == [Hit(f"{n}.wav", 0.0, 1.0) for n in range(4)]
    assert [hit[:2] for hit in index.nearest(QUERY, 6, "moment")] == [
        *(("0.wav", start_s) for start_s in range(4)),
        ("1.wav", 0.0),
        ("1.wav", 1.0),
    ]


@pytest.mark.usefixtures("small_blocks")
def test_a_recording_that_stands_in_several_blocks_is_one(write):
    rng = np.random.default_rng(3)
    long = EmbeddedRecording("long.wav", rng.standard_normal((50, 12)).astype(np.float32), np.arange(50.0))
    short = EmbeddedRecording("short.wav", -QUERY, np.zeros(1))
    again = EmbeddedRecording("long.wav", QUERY, np.array([50.0]))
    found = Index.open(write([long, short, again])).nearest(QUERY)
    assert found == [Hit("long.wav", 50.0, 1.0), Hit("short.wav", 0.0, -1.0)]


def test_loudness_of_vectors_does_not_matter_and_several_queries_count_the_same(write, recordings):
    index = Index.open(write(recordings))
    assert index.nearest(100 * QUERY) == index.nearest(QUERY)
    other = np.roll(QUERY, 3)
    together = index.nearest(np.concatenate([QUERY, 50 * other]))
    assert together == index.nearest(np.concatenate([other, QUERY]))
    unit = [vectors / np.linalg.norm(vectors) for vectors in (QUERY, other)]
    assert_alike(together, index.nearest(unit[0] + unit[1]))


def test_several_queries_in_one_pass(write, recordings):
    index = Index.open(write(recordings))
    queries = np.random.default_rng(5).standard_normal((3, 12)).astype(np.float32)
    each = index.nearest_to_each(queries, 7, "moment")
    for query, hits in zip(queries, each, strict=True):
        assert_alike(hits, index.nearest(query[np.newaxis], 7, "moment"))


def test_what_is_excluded_does_not_count(write, recordings):
    index = Index.open(write(recordings))
    first, second, *_ = index.nearest(QUERY)
    assert index.nearest(QUERY, 1, excluded={first.file}) == [second]


def test_a_vector_of_zeros_is_similar_to_nothing(write):
    silent = EmbeddedRecording("silent.wav", np.zeros((1, 12), np.float32), np.zeros(1))
    index = Index.open(write([silent, EmbeddedRecording("a.wav", QUERY, np.zeros(1))]))
    assert index.nearest(QUERY) == [Hit("a.wav", 0.0, 1.0), Hit("silent.wav", 0.0, 0.0)]
    with pytest.raises(DataError, match="the query points nowhere"):
        index.nearest(np.concatenate([QUERY, -QUERY]))


@pytest.mark.usefixtures("small_blocks")
def test_recordings_are_found_by_name_and_by_the_end_of_their_path(write, recordings):
    recordings = [*recordings, recordings[2]._replace(file="other/ü, 2.wav")]
    index = Index.open(write(recordings))
    for name in ("folder 7/ü, 7.wav", "ü, 7.wav"):
        file, starts_s, vectors = index.recording(name)
        assert file == "folder 7/ü, 7.wav"
        np.testing.assert_array_equal(vectors, recordings[7].vectors)
        np.testing.assert_array_equal(starts_s, recordings[7].starts_s)
    with pytest.raises(DataError, match=r"2 recordings are called 'ü, 2.wav' \(folder 2.*; give the path"):
        index.recording("ü, 2.wav")
    with pytest.raises(DataError, match=r"has no recording '7.wav'"):
        index.recording("7.wav")


def test_a_name_that_ends_others_is_itself(write, recordings):
    index = Index.open(
        write([recordings[1]._replace(file="deep/a.wav"), recordings[0]._replace(file="a.wav")])
    )
    assert index.recording("a.wav").file == "a.wav"


def test_the_moment_at_a_time_has_its_middle_next_to_it(write, recordings):
    index = Index.open(write(recordings))
    long = max(recordings, key=lambda recording: len(recording.vectors))
    found = index.recording(long.file)
    # Spans of 2 s that begin every second.
    for at_s, row in [(0.0, 0), (1.4, 0), (1.6, 1), (4.2, 3), (10.0, 8)]:
        np.testing.assert_array_equal(index.moment(found, at_s), long.vectors[row : row + 1])
    with pytest.raises(DataError, match=r"there is nothing at 10.1 s"):
        index.moment(found, 10.1)


def test_places_of_rows(write, recordings, tmp_path):
    for part, name in enumerate(["a.parquet", "b.npy"]):
        write(recordings[part * 20 : (part + 1) * 20], f"parts/{name}")
    index = Index.open(tmp_path / "parts")
    places = [(r.file, start_s) for r in recordings for start_s in r.starts_s]
    rows = [0, 3, 50, len(places) // 2, len(places) - 1]
    files, starts_s = index.places_at(rows)
    assert list(zip(files, starts_s, strict=True)) == [places[row] for row in rows]


def test_the_origin_comes_back(write, recordings):
    for name in ("index.parquet", "index.npy"):
        assert Index.open(write(recordings, name)).origin == ORIGIN


def bad(tmp_path, name, content=b""):
    path = tmp_path / name
    path.write_bytes(content)
    return path


class TestRefused:
    def test_queries(self, write, recordings):
        index = Index.open(write(recordings))
        with pytest.raises(
            DataError, match=r"index.parquet: its vectors have 12 values, that of the query has 5"
        ):
            index.nearest(np.ones((1, 5), np.float32))
        with pytest.raises(DataError, match="the query has values that are not finite"):
            index.nearest(QUERY * np.nan)
        with pytest.raises(ConfigError, match="top must be at least 1, got 0"):
            index.nearest(QUERY, 0)

    @pytest.mark.parametrize("name", ["index.parquet", "index.npy"])
    def test_a_vector_that_is_not_finite(self, write, recordings, name):
        recordings[8].vectors[1, 3] = np.nan
        path = write(recordings, name)
        message = f"{name}: the vector of folder 8/ü, 8.wav at 1 s is not finite"
        with pytest.raises(DataError, match=message):
            Index.open(path).nearest(QUERY)

    def test_no_index(self, tmp_path):
        with pytest.raises(DataError, match=r"x.parquet: no such file of embeddings"):
            Index.open(tmp_path / "x.parquet")
        with pytest.raises(DataError, match="no embeddings in this folder"):
            Index.open(tmp_path)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("a.txt", "expected embeddings as .parquet or .npy"),
            ("a.npy", "a.npy: is not a file of embeddings"),
            ("a.parquet", "a.parquet: is not a file of embeddings"),
        ],
    )
    def test_other_files(self, tmp_path, name, message):
        with pytest.raises(DataError, match=message):
            Index.open(bad(tmp_path, name, b"something else, of some length"))

    def test_an_empty_index(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros((0, 4), np.float32))
        with pytest.raises(DataError, match="the index is empty"):
            Index.open(tmp_path / "a.npy")

    def test_arrays_that_are_no_vectors(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros((2, 4), np.int64))
        with pytest.raises(DataError, match=r"expected vectors as rows of real numbers, got int64 \(2, 4\)"):
            Index.open(tmp_path / "a.npy")

    def test_rows_that_do_not_fit_their_list(self, write, recordings, tmp_path):
        path = write(recordings, "index.npy")
        rows = tmp_path / "index.rows.csv"
        rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))
        with pytest.raises(DataError, match=r"index.npy: does not belong to the files beside it"):
            Index.open(path)
        (tmp_path / "index.origin.json").unlink()  # files of other programs have none
        n_rows = sum(len(r.vectors) for r in recordings)
        with pytest.raises(DataError, match=f"has {n_rows} vectors, but {n_rows - 1} rows are listed"):
            Index.open(path).nearest(QUERY)
        rows.write_text("name,start\na.wav,0\n")
        with pytest.raises(DataError, match=r"index.rows.csv: expected columns file, start"):
            Index.open(path).nearest(QUERY)
        rows.write_text("file,start\na.wav,0,1\n")
        with pytest.raises(DataError, match=r"index.rows.csv: is not a file of embeddings"):
            Index.open(path).nearest(QUERY)
        rows.unlink()
        with pytest.raises(DataError, match=r"index.rows.csv: No such file"):
            Index.open(path).nearest(QUERY)

    def test_parts_that_do_not_fit_each_other(self, write, recordings, tmp_path):
        write(recordings, "parts/a.parquet")
        other = dataclasses.replace(ORIGIN, model="other", sha256="cd" * 32)
        write(recordings, "parts/b.parquet", other)
        with pytest.raises(
            DataError, match=r"b.parquet was made by model 'other' .*a.parquet by model 'some-m"
        ):
            Index.open(tmp_path / "parts")
        write([recordings[0]._replace(vectors=recordings[0].vectors[:, :5])], "parts/b.parquet")
        with pytest.raises(DataError, match=r"b.parquet has 5 values in a vector, .*a.parquet has 12"):
            Index.open(tmp_path / "parts")

    @pytest.mark.parametrize(
        "text", [b"{", b"[]", b'{"model": "m"}', b"\xff", ORIGIN.to_json().replace("clip", "day").encode()]
    )
    def test_an_origin_that_cannot_be_read(self, write, recordings, tmp_path, text):
        path = write(recordings, "index.npy")
        (tmp_path / "index.origin.json").write_bytes(text)
        with pytest.raises(DataError, match=r"index.origin.json: "):
            Index.open(path)


def test_memory_does_not_grow_with_the_index(write):
    vectors = np.random.default_rng(0).standard_normal((40_000, 12)).astype(np.float32)
    peaks = []
    for n_rows in (10_000, 40_000):
        path = write([EmbeddedRecording("a.wav", vectors[:n_rows], np.arange(float(n_rows)))], "index.npy")
        tracemalloc.start()
        Index.open(path).nearest(QUERY, 3, "moment")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_files_of_other_tools_are_read(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    vectors = np.random.default_rng(0).standard_normal((3, 5))
    columns = {"start": [0, 1, 2], "embedding": vectors.tolist(), "file": ["a", "b", "c"], "more": [1, 2, 3]}
    path = Path(tmp_path / "other.parquet")
    parquet.write_table(pa.table(columns), path)
    index = Index.open(path)
    assert (index.dim, index.origin) == (5, None)
    assert index.nearest(vectors[1:2].astype(np.float32), 1) == [Hit("b", 1.0, 1.0)]
    for column, values, message in [
        ("embedding", [[1.0], [1.0, 2.0], [0.0]], "vectors differ in length"),
        ("file", ["a", None, "c"], "rows without file or start"),
        ("embedding", [1, 2, 3], "is not a file of embeddings"),
    ]:
        parquet.write_table(pa.table(columns | {column: values}), path)
        with pytest.raises(DataError, match=message):
            Index.open(path).nearest(np.ones((1, 1), np.float32))
    parquet.write_table(pa.table({"file": ["a"], "start": [0.0]}), path)
    with pytest.raises(DataError, match="expected columns file, start, embedding; embedding is missing"):
        Index.open(path)
