from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from htsat.data.clip import Clip, Member, Row
from htsat.data.manifest import Manifest, read_data, read_folder, read_manifest, write_manifest
from htsat.errors import DataError, MissingExtraError
from htsat.labels import LabelSet

SUFFIXES = frozenset({".wav"})
DOG = LabelSet.of(["dog"])
FORMATS = ["manifest.tsv", "manifest.parquet"]


def clips_with(**changes: Sequence[Any]) -> tuple[Clip, ...]:
    """Clips of different recordings, each with its own value of every field that is named."""
    rows = [dict(zip(changes, values, strict=True)) for values in zip(*changes.values(), strict=True)]
    return tuple(Clip(Path(f"{number}.wav"), ("dog",), **row) for number, row in enumerate(rows))


@pytest.mark.parametrize("name", FORMATS)
def test_a_manifest_survives_writing_and_reading(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    speech = "Male speech, man speaking"
    clips = (
        Clip(tmp_path / "a.wav", (speech, "dog"), 1.5, 2.25, "3", "tape 1", 0.1, tmp_path / "strong.tsv"),
        Clip(tmp_path / 'b "quoted" é.wav', ()),
        Clip(tmp_path / "shard.tar", ("cat",), 0.0, 10.0, "train", place=Member(2**40, 77)),
        Clip(Path("/elsewhere/a.h5"), ("cat",), weight=0.0, place=Row(2_000_000)),
    )
    manifest = Manifest(clips, LabelSet.of(["dog", "cat", speech]))
    write_manifest(tmp_path / name, manifest)
    assert read_manifest(tmp_path / name) == manifest


@pytest.mark.parametrize("name", FORMATS)
def test_only_columns_that_say_something_are_written(tmp_path: Path, name: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_manifest(tmp_path / name, Manifest((Clip(tmp_path / "a.wav", ("dog",), fold="1"),), DOG))
    if name.endswith(".tsv"):
        assert (tmp_path / name).read_text() == "path\tlabels\tfold\na.wav\tdog\t1\n"
    else:
        assert parquet.read_table(tmp_path / name).to_pylist() == [
            {"path": "a.wav", "labels": ["dog"], "fold": "1"}
        ]


def test_paths_are_relative_to_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.tsv").write_text("path\tlabels\tevents\nsub/a.wav\tdog\tsub/e.tsv\n")
    clip = read_manifest(tmp_path / "m.tsv").clips[0]
    assert (clip.path, clip.events) == (tmp_path / "sub" / "a.wav", tmp_path / "sub" / "e.tsv")
    monkeypatch.chdir(tmp_path)
    write_manifest(Path("deep") / "m.tsv", Manifest((Clip(Path("a.wav"), ()),), DOG))
    assert read_manifest(Path("deep") / "m.tsv").clips[0].path == tmp_path / "a.wav"


def test_names_of_files_need_not_be_text(tmp_path: Path) -> None:
    manifest = Manifest((Clip(tmp_path / os.fsdecode(b"\xff\xe9.wav"), ("dog",)),), DOG)
    write_manifest(tmp_path / "m.tsv", manifest)
    assert read_manifest(tmp_path / "m.tsv") == manifest
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=r"m\.parquet: '.*\.wav' is not UTF-8 text, which Parquet needs"):
        write_manifest(tmp_path / "m.parquet", manifest)
    assert not (tmp_path / "m.parquet").exists()


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (
            Clip(Path("a\tb.wav"), ()),
            "'.*b.wav' holds a tab or line break and cannot stand",
        ),
        (Clip(Path("a.wav"), (), group="a\nb"), "holds a tab or line break"),
        (Clip(Path("a.wav"), ("a;b",)), "label 'a;b' holds the separator of labels in TSV manifests"),
    ],
)
def test_what_cannot_stand_in_a_table_is_refused(tmp_path: Path, clip: Clip, message: str) -> None:
    manifest = Manifest((clip,), LabelSet.of(["a;b"]))
    with pytest.raises(DataError, match=message):
        write_manifest(tmp_path / "m.tsv", manifest)
    assert list(tmp_path.iterdir()) == []
    pytest.importorskip("pyarrow")
    write_manifest(tmp_path / "m.parquet", manifest)
    assert read_manifest(tmp_path / "m.parquet").clips[0].labels == clip.labels


def test_a_table_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    text = "\ufeffpath\tlabels\tstart\tfold\r\na.wav\tdog; cat\t 1.5\t2\r\n\r\nb.wav\r\n"
    (tmp_path / "m.tsv").write_text(text, encoding="utf-8")
    first, second = read_manifest(tmp_path / "m.tsv").clips
    assert first == Clip(tmp_path / "a.wav", ("dog", "cat"), 1.5, fold="2")
    assert second == Clip(tmp_path / "b.wav", ())


def test_parquet_of_other_types_is_read(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "path": pa.array(["a.wav", "b.wav"]).dictionary_encode(),
        "labels": ["dog;cat", None],
        "start": pa.array([1, None], pa.int32()),
        "fold": [1.0, None],
        "group": [None, "g"],
        "row": pa.array([None, 3], pa.uint16()),
    }
    parquet.write_table(pa.table(columns), tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet").clips == (
        Clip(tmp_path / "a.wav", ("dog", "cat"), 1.0, fold="1"),
        Clip(tmp_path / "b.wav", (), group="g", place=Row(3)),
    )


def test_without_a_list_classes_are_in_alphabetical_order(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("path\tlabels\na.wav\tdog;cat\nb.wav\tbee\n")
    assert read_manifest(tmp_path / "m.tsv").labels.names == ("bee", "cat", "dog")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\tlabels\tstart\na.wav\tdog\t-1\n", r"m\.tsv, line 2: .*a\.wav: start must be .* got -1\.0"),
        ("path\tlabels\tduration\na.wav\tdog\tnan\n", r"line 2: .*: duration must be above 0 s, got nan"),
        ("path\tlabels\tweight\na.wav\tdog\t-1\n", r"line 2: .*a\.wav: weight must be at least 0, got -1\.0"),
        ("path\tlabels\tstart\n\na.wav\tdog\tone\n", r"m\.tsv, line 3: start must be a number, got 'one'"),
        ("path\tlabels\trow\na.wav\tdog\t1.5\n", "line 2: row must be a whole number, got '1.5'"),
        ("path\tlabels\trow\na.wav\tdog\t-1\n", "line 2: row must be at least 0, got -1"),
        ("path\tlabels\toffset\na.wav\tdog\t1\n", "line 2: offset and size go together"),
        ("path\tlabels\toffset\tsize\na.wav\tdog\t1\t0\n", "line 2: offset must be .* got 1 and 0"),
        ("path\tlabels\toffset\tsize\trow\na\tdog\t1\t2\t3\n", "line 2: a clip has .* not both"),
        ("path\na.wav\n", "needs a column 'labels', found path"),
        ("path\tlabels\tgruop\na.wav\tdog\t1\n", "unknown column 'gruop'; did you mean 'group'"),
        ("path\tlabels\txyz\na.wav\tdog\t1\n", "unknown column 'xyz'; known are path, labels, start"),
        ("path\tlabels\tpath\na.wav\tdog\tb.wav\n", "a column occurs twice in path, labels, path"),
        ("path\tlabels\na.wav\tdog\tcat\n", "line 2: has 3 cells for 2 columns"),
        ("path\tlabels\n\tdog\n", "line 2: the path is empty"),
        ("path\tlabels\n", "no clips to learn from"),
        ("", "needs a column 'path', found none"),
    ],
)  # fmt: skip
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "m.tsv")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a.wav"]}, r"m\.parquet: a manifest needs a column 'labels', found path"),
        ({"path": ["a"], "labels": ["dog"], "wieght": [1]}, "unknown column 'wieght'; did you mean 'weight'"),
        ({"path": ["a", "b"], "labels": ["", ""], "start": [0, -1]}, r"m\.parquet, row 1: .*b: start"),
        ({"path": ["a"], "labels": ["dog"], "row": ["x"]}, "column 'row' must hold int64, found string"),
        ({"path": ["a"], "labels": ["dog"], "row": [1.5]}, "column 'row' must hold int64, found double"),
        ({"path": ["a"], "labels": ["dog"], "fold": [1.5]}, "column 'fold' must hold string, found double"),
        ({"path": ["a"], "labels": [[1]]}, r"unknown class '1'|column 'labels' must hold"),
        ({"path": [None], "labels": ["dog"]}, "row 0: the path is empty"),
    ],
)  # fmt: skip
def test_parquet_that_does_not_fit_is_refused(
    tmp_path: Path, columns: dict[str, list[Any]], message: str
) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "labels.txt").write_text("dog\n")
    parquet.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "m.parquet")


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match=r"m\.tsv: cannot be read as a manifest \(not a UTF-8 table\)"):
        read_manifest(tmp_path / "m.tsv")
    (tmp_path / "latin.tsv").write_bytes(b"path\tlabels\na.wav\tb\xe9e\n")
    with pytest.raises(DataError, match=r"latin\.tsv, line 2: label .* is not UTF-8 text"):
        read_manifest(tmp_path / "latin.tsv")
    with pytest.raises(DataError, match=r"gone\.tsv: No such file or directory"):
        read_manifest(tmp_path / "gone.tsv")
    pytest.importorskip("pyarrow")
    (tmp_path / "m.parquet").write_bytes(b"path\tlabels\na.wav\tdog\n")
    with pytest.raises(DataError, match=r"m\.parquet: cannot be read as a Parquet manifest \("):
        read_manifest(tmp_path / "m.parquet")


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'htsat\[train\]'"):
        read_manifest(tmp_path / "m.parquet")


def test_a_label_outside_the_list_is_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("siren\nrain\n")
    (tmp_path / "m.tsv").write_text("path\tlabels\na.wav\tsirens\n")
    with pytest.raises(DataError, match=r"a\.wav: unknown class 'sirens'; did you mean 'siren'"):
        read_manifest(tmp_path / "m.tsv")


def test_a_list_of_classes_that_does_not_fit_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("siren\nsiren\n")
    (tmp_path / "m.tsv").write_text("path\tlabels\na.wav\tsiren\n")
    with pytest.raises(DataError, match=r"labels\.txt: class name 'siren' occurs twice"):
        read_manifest(tmp_path / "m.tsv")


def test_equal_values_are_one_object_in_memory(tmp_path: Path) -> None:
    row = "shard.tar\tdog;cat\t1.5\t10.0\ttrain\tg\te.tsv\n"
    (tmp_path / "m.tsv").write_text("path\tlabels\tstart\tduration\tfold\tgroup\tevents\n" + 2 * row)
    first, second = read_manifest(tmp_path / "m.tsv").clips
    for name in ("path", "labels", "start_s", "duration_s", "fold", "group", "events"):
        assert getattr(first, name) is getattr(second, name)
    assert not hasattr(first, "__dict__")


def test_clips_can_be_sent_to_another_process() -> None:
    clip = Clip(Path("a.tar"), ("dog",), fold="1", place=Member(512, 10))
    assert pickle.loads(pickle.dumps(clip)) == clip


def test_a_clip_in_a_larger_file_is_named_by_its_place() -> None:
    assert Clip(Path("a.wav"), ()).title == "a.wav"
    assert Clip(Path("a.tar"), (), place=Member(512, 10)).title == "a.tar[512]"
    assert Clip(Path("a.h5"), (), place=Row(7)).title == "a.h5[7]"


def test_a_folder_names_its_classes(tmp_path: Path) -> None:
    for name in (
        "dog/1.wav",
        "dog/deep/2.WAV",
        "cat,dog/3.wav",
        "_negative/4.wav",
        ".trash/5.wav",
        "dog/notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    manifest = read_folder(tmp_path, SUFFIXES)
    assert manifest.labels.names == ("cat", "dog")
    labels = {clip.path.name: clip.labels for clip in manifest.clips}
    assert labels == {"1.wav": ("dog",), "2.WAV": ("dog",), "3.wav": ("cat", "dog"), "4.wav": ()}
    assert read_data(tmp_path, SUFFIXES) == manifest


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no recordings in folders named after their class"):
        read_folder(tmp_path, SUFFIXES)


@pytest.mark.parametrize("name", ["manifest.tsv", "manifest.parquet", "index.parquet"])
def test_a_folder_may_have_its_own_manifest(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    manifest = Manifest((Clip(tmp_path / "a.wav", ("dog",)),), DOG)
    write_manifest(tmp_path / name, manifest)
    assert read_data(tmp_path, SUFFIXES) == read_data(tmp_path / name, SUFFIXES) == manifest


@pytest.mark.parametrize("fold", [2, "2"])
def test_a_fold_is_held_out(fold: int | str) -> None:
    manifest = Manifest(clips_with(fold=["1", "2", "1", "2", None]), DOG)
    train, valid = manifest.split_fold(fold)
    assert [clip.fold for clip in train.clips] == ["1", "1", None]
    assert [clip.fold for clip in valid.clips] == ["2", "2"]
    with pytest.raises(DataError, match=r"no clip has fold 5; the manifest's folds are \[1, 2\]"):
        manifest.split_fold(5)


@pytest.mark.parametrize("other", ["3", None])
def test_a_fold_that_separates_a_group_is_refused(other: str | None) -> None:
    manifest = Manifest(clips_with(fold=["1", "2", other], group=["a", "b", "b"]), DOG)
    where = f"fold {other}" if other else "no fold"
    with pytest.raises(DataError, match=f"^fold 2 would separate a group: 'b' lies in it and in {where}$"):
        manifest.split_fold(2)
    manifest.split_fold(1)


def test_a_fold_that_separates_a_recording_is_refused() -> None:
    clips = tuple(Clip(Path("a.wav"), ("dog",), start, 1.0, fold) for start, fold in [(0, "1"), (5, "2")])
    with pytest.raises(DataError, match=r"would separate a group: 'a\.wav'"):
        Manifest(clips, DOG).split_fold(2)


def test_members_of_one_shard_are_different_recordings() -> None:
    clips = tuple(Clip(Path("a.tar"), ("dog",), fold=str(n), place=Member(512 * n, 9)) for n in range(3))
    manifest = Manifest(clips, DOG)
    assert len(manifest.split_fold(2)[0].clips) == 2
    assert len(manifest.split_share(0.3, 0)[1].clips) == 1


def test_a_split_never_separates_a_group() -> None:
    manifest = Manifest(clips_with(group=["a", "a", "b", "b", "c", "c", "d", "d"]), DOG)
    for seed in range(5):
        train, valid = manifest.split_share(0.25, seed)
        assert {clip.group for clip in train.clips}.isdisjoint({clip.group for clip in valid.clips})
        assert len(valid.clips) == 2


def test_one_recording_cannot_be_split() -> None:
    manifest = Manifest(clips_with(group=["a", "a"]), DOG)
    with pytest.raises(DataError, match="nothing can be held out"):
        manifest.split_share(0.5, 0)
