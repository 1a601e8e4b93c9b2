import sys

import numpy as np
import pytest
from pyarrow import parquet

from htsat.errors import MissingExtraError
from htsat.formats.embeddings import EmbeddedRecording, to_npy, to_parquet

RECORDINGS = [
    EmbeddedRecording("a.wav", np.arange(6, dtype=np.float32).reshape(2, 3), np.array([0.0, 2.5])),
    EmbeddedRecording("b, c.wav", np.ones((1, 3), np.float32), np.array([0.0])),
]
VECTORS = np.concatenate([recording.vectors for recording in RECORDINGS])


def test_npy_has_a_list_of_its_rows_beside_it(tmp_path):
    with to_npy(tmp_path / "e.npy") as write:
        for recording in RECORDINGS:
            write(recording)
    np.testing.assert_array_equal(np.load(tmp_path / "e.npy"), VECTORS)
    rows = (tmp_path / "e.rows.csv").read_text().splitlines()
    assert rows == ["file,start", "a.wav,0.0000", "a.wav,2.5000", '"b, c.wav",0.0000']


def test_parquet_has_both(tmp_path):
    with to_parquet(tmp_path / "e.parquet") as write:
        for recording in RECORDINGS:
            write(recording)
    table = parquet.read_table(tmp_path / "e.parquet")
    assert table["file"].to_pylist() == ["a.wav", "a.wav", "b, c.wav"]
    assert table["start"].to_pylist() == [0.0, 2.5, 0.0]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), VECTORS)


@pytest.mark.parametrize("to_file", [to_npy, to_parquet])
def test_after_an_error_nothing_is_there(tmp_path, to_file):
    def interrupted():
        with to_file(tmp_path / "e.bin") as write:
            write(RECORDINGS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with (
        pytest.raises(MissingExtraError, match=r"writing Parquet needs .* pip install 'htsat\[parquet\]'"),
        to_parquet(tmp_path / "e.parquet"),
    ):
        pass
