import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from htsat.errors import DataError, MissingExtraError
from htsat.formats import embedding_files, embeddings
from htsat.formats.embedding_files import open_embeddings
from htsat.formats.embedding_parts import join_parts, to_part
from htsat.formats.embeddings import EmbeddedRecording, Origin, to_npy, to_parquet

RECORDINGS = [
    EmbeddedRecording("a.wav", np.arange(6, dtype=np.float32).reshape(2, 3), np.array([0.0, 2.5])),
    EmbeddedRecording("b, c.wav", np.ones((1, 3), np.float32), np.array([0.0])),
]
ORIGIN = Origin("caf\u00e9.safetensors", "0f" * 32, "clip", 5.0, 0.5, (0.25, -1e-9, 3.0), "0.1.0")
VECTORS = np.concatenate([recording.vectors for recording in RECORDINGS])


def test_npy_has_a_list_of_its_rows_beside_it(tmp_path):
    with to_npy(tmp_path / "e.npy", ORIGIN) as write:
        for recording in RECORDINGS:
            write(recording)
    np.testing.assert_array_equal(np.load(tmp_path / "e.npy"), VECTORS)
    rows = (tmp_path / "e.rows.csv").read_text().splitlines()
    assert rows == ["file,start", "a.wav,0.0000", "a.wav,2.5000", '"b, c.wav",0.0000']


def test_parquet_has_both(tmp_path):
    with to_parquet(tmp_path / "e.parquet", ORIGIN) as write:
        for recording in RECORDINGS:
            write(recording)
    table = parquet.read_table(tmp_path / "e.parquet")
    assert table["file"].to_pylist() == ["a.wav", "a.wav", "b, c.wav"]
    assert table["start"].to_pylist() == [0.0, 2.5, 0.0]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), VECTORS)


@pytest.mark.parametrize("to_file", [to_npy, to_parquet])
def test_after_an_error_nothing_is_there(tmp_path, to_file):
    def interrupted():
        with to_file(tmp_path / "e.bin", ORIGIN) as write:
            write(RECORDINGS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with (
        pytest.raises(MissingExtraError, match=r"writing Parquet needs .* pip install 'htsat\[parquet\]'"),
        to_parquet(tmp_path / "e.parquet", ORIGIN),
    ):
        pass


@pytest.mark.parametrize(("to_file", "name"), [(to_npy, "e.npy"), (to_parquet, "e.parquet")])
@pytest.mark.parametrize("n_together", [1, 2, 4096])
def test_what_is_written_is_read_again(tmp_path, monkeypatch, to_file, name, n_together):
    for module in (embeddings, embedding_files):
        monkeypatch.setattr(module, "ROWS_PER_GROUP", n_together)
    with to_file(tmp_path / name, ORIGIN) as write:
        for recording in RECORDINGS:
            write(recording)
    file = open_embeddings(tmp_path / name)
    assert (file.n_rows, file.dim, file.origin) == (3, 3, ORIGIN)
    blocks = list(file.blocks())
    np.testing.assert_array_equal(np.concatenate([block.vectors for block in blocks]), VECTORS)
    files = [name for block in blocks for name in block.places.files]
    starts_s = [start_s for block in blocks for start_s in block.places.starts_s]
    assert (files, starts_s) == (["a.wav", "a.wav", "b, c.wav"], [0.0, 2.5, 0.0])
    assert all(block.vectors.dtype == np.float32 for block in blocks)
    places = file.places_at([1, 2])
    assert (list(places.files), places.starts_s.tolist()) == (["a.wav", "b, c.wav"], [2.5, 0.0])


def test_small_recordings_share_a_row_group_and_large_ones_are_split(tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "ROWS_PER_GROUP", 10)
    sizes = [1, 1, 1, 25, 3]
    with to_parquet(tmp_path / "e.parquet", ORIGIN) as write:
        for size in sizes:
            write(EmbeddedRecording(f"{size}.wav", np.ones((size, 3), np.float32), np.arange(float(size))))
    file = parquet.ParquetFile(tmp_path / "e.parquet")
    groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert groups == [20, 8, 3]
    assert file.read()["start"].to_pylist() == [start_s for size in sizes for start_s in range(size)]


def test_a_name_that_is_no_text_comes_back(tmp_path):
    name = "b\udcfc.wav"
    odd = [EmbeddedRecording(name, VECTORS[:1], np.zeros(1))]
    for to_file, suffix in ((to_npy, ".npy"), (to_parquet, ".parquet")):
        path = tmp_path / f"e{suffix}"
        with to_file(path, ORIGIN) as write:
            write(odd[0])
        assert open_embeddings(path).places_at([0]).files == [name]
    assert parquet.read_table(path, columns=["file"]).to_pylist() == [{"file": r"b\udcfc.wav"}]


def test_names_of_any_length_are_one_column_of_text(tmp_path):
    with to_parquet(tmp_path / "e.parquet", ORIGIN) as write:
        for recording in RECORDINGS:
            write(recording)
    schema = parquet.read_schema(tmp_path / "e.parquet")
    assert schema.field("file").type == pa.string()
    assert schema.field("embedding").type.list_size == 3


def part(path, vectors):
    with to_part(path) as write:
        write(EmbeddedRecording("a.wav", vectors, np.arange(float(len(vectors)))))
    return path


def test_parts_that_do_not_fit_are_refused(tmp_path):
    good, other = part(tmp_path / "1.npz", np.ones((2, 3), np.float32)), tmp_path / "2.npz"
    out = tmp_path / "out.npy"
    for vectors in (np.ones((2, 4), np.float32), np.ones((2, 3), np.float64)):
        with pytest.raises(DataError, match=r"2\.npz: cannot be joined \(other vectors than in .*1\.npz\)"):
            join_parts([good, part(other, vectors)], out, ORIGIN)
    for content in (b"", b"no zip", good.read_bytes()[:200]):
        other.write_bytes(content)
        with pytest.raises(DataError, match=r"2\.npz: cannot be joined \(.*\); remove it"):
            join_parts([good, other], out, ORIGIN)
    np.savez(other, something=np.ones(3))
    with pytest.raises(DataError, match=r"2\.npz: cannot be joined \(.*vectors\.npy.*\); remove it"):
        join_parts([good, other], out, ORIGIN)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npz", "2.npz"]


def test_without_recordings_there_is_no_part(tmp_path):
    with to_part(tmp_path / "1.npz"):
        pass
    assert list(tmp_path.iterdir()) == []
