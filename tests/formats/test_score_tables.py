import numpy as np
import pytest

from htsat.errors import DataError
from htsat.formats.score_tables import (
    FORMATS,
    ScoreFolder,
    ScoreTable,
    read_npz,
    read_tsv,
    write_npz,
    write_tsv,
)
from htsat.labels import LabelSet
from htsat.scores import FrameGrid

LABELS = LabelSet.of(["Dog", 'Speech, "quoted"', "tab\tin name", "Äänet"])


def table(dtype=np.float32, labels=LABELS):
    random = np.random.default_rng(0)
    scores = (random.random((5, len(labels))) ** 20).astype(dtype)
    scores[0, 0], scores[1, 0] = 0, 1
    return ScoreTable(scores, FrameGrid(np.array([0, 0.1, 0.2 + 1e-12, 1 / 3, 1.0, 10.0])), labels)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_digit_comes_back(tmp_path, suffix, dtype):
    read, write = FORMATS[suffix]
    written = table(dtype)
    path = tmp_path / f"a \t ü{suffix}"
    write(path, written)
    back = read(path)
    np.testing.assert_array_equal(back.probabilities.astype(dtype), written.probabilities)
    np.testing.assert_array_equal(back.grid.boundaries_s, written.grid.boundaries_s)
    assert back.labels == LABELS
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_text_has_the_layout_of_sed_scores_eval(tmp_path):
    scores = np.array([[0.25, 1e-9], [1, 0.1]], np.float32)
    write_tsv(tmp_path / "a.tsv", ScoreTable(scores, FrameGrid.regular(2, 0.5, 1.0), LabelSet.of("AB")))
    assert (tmp_path / "a.tsv").read_text() == (
        "onset\toffset\tA\tB\n0.0\t0.5\t0.25\t9.99999972e-10\n0.5\t1.0\t1\t0.100000001\n"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expected columns onset, offset and classes, got $"),
        ("start\tend\tA\n0\t1\t0.5\n", "got start, end, A"),
        ("onset\toffset\n0\t1\n", "got onset, offset$"),
        ("onset\toffset\tA\n", "no frames"),
        ("onset\toffset\tA\n0\t1\tloud\n", "loud"),
        ("onset\toffset\tA\n0\t1\t0.5\n1\t2\n", "is not a table of scores"),
        ("onset\toffset\tA\tB\n0\t1\t0.5\n", "the header names 4 columns, the rows have 3"),
        ("onset\toffset\tA\n0\t1\t0.5\n1.5\t2\t0.5\n", "frame 1 does not begin where the one before it ends"),
        ("onset\toffset\tA\n0\t1\t0.5\n1\t1\t0.5\n", "boundaries must increase"),
        ("onset\toffset\tA\n0\t1\tnan\n", "a score is not a number"),
        ("onset\toffset\tA\tA\n0\t1\t0\t0\n", "class name 'A' occurs twice"),
    ],
)
def test_a_text_that_is_no_table_is_refused(tmp_path, text, problem):
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=problem) as error:
        read_tsv(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"onset\toffset\tA\n", b"PK\x03\x04 cut off"])
def test_a_file_without_arrays_is_refused(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not a file of scores"):
        read_npz(path)


def test_missing_arrays_and_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", scores=np.zeros((1, 1)), labels=np.array(["A"]))
    with pytest.raises(DataError, match=r"a\.npz: is not a file of scores: it has no array boundaries_s$"):
        read_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", labels=np.array([object()]))
    with pytest.raises(DataError, match="is not a file of scores"):
        read_npz(tmp_path / "b.npz")
    np.save(tmp_path / "c.npz.npy", np.zeros(3))
    (tmp_path / "c.npz.npy").rename(tmp_path / "c.npz")
    with pytest.raises(DataError, match="it holds one array without a name"):
        read_npz(tmp_path / "c.npz")


def test_scores_must_fit(tmp_path):
    with pytest.raises(DataError, match=r"expected scores \(5, 2\), got \(5, 4\)"):
        ScoreTable(table().probabilities, table().grid, LabelSet.of("AB"))
    with pytest.raises(DataError, match="needs a frame"):
        ScoreTable(np.zeros((0, 1)), FrameGrid(np.zeros(1)), LabelSet.of("A"))


def test_a_folder_gives_the_classes_asked_for(tmp_path):
    written = table()
    write_tsv(tmp_path / "a.tsv", written)
    write_npz(tmp_path / "b.1.npz", written)
    folder = ScoreFolder.of(tmp_path, ["a.wav", "somewhere/b.1.flac"], LabelSet.of(["Äänet", "Dog"]))
    assert len(folder) == 2
    expected = written.probabilities[:, [3, 0]].astype(np.float64)  # a tolerance no process can flush to 0
    for index in range(2):
        np.testing.assert_allclose(folder[index].probabilities, expected, rtol=1e-8)
        assert folder[index].labels.names == ("Äänet", "Dog")


def test_a_folder_says_what_is_wrong(tmp_path):
    write_tsv(tmp_path / "a.tsv", table())
    with pytest.raises(DataError, match=r"expected one of b\.npz and b\.tsv, found none"):
        ScoreFolder.of(tmp_path, ["a.wav", "b.wav"], LABELS)
    with pytest.raises(DataError, match="found none"):
        ScoreFolder.of(tmp_path / "missing", ["a.wav"], LABELS)
    with pytest.raises(DataError, match=r"a\.wav and a\.flac have the same file of scores"):
        ScoreFolder.of(tmp_path, ["a.wav", "a.flac"], LABELS)
    with pytest.raises(DataError, match=r"a\.tsv: unknown class 'Dogs'; did you mean 'Dog'"):
        ScoreFolder.of(tmp_path, ["a.wav"], LabelSet.of(["Dogs"]))[0]
    write_npz(tmp_path / "a.npz", table())
    with pytest.raises(DataError, match=r"found a\.npz and a\.tsv"):
        ScoreFolder.of(tmp_path, ["a.wav"], LABELS)
