from __future__ import annotations

import json
from pathlib import Path, PurePath

import pytest

from htsat.bulk.inputs import Input, find_inputs
from htsat.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in [
        "b.wav",
        "A.WAV",
        "deep/x.Mp3",
        "deep/er/y.flac",
        ".hidden.wav",
        ".trash/z.wav",
        "notes.txt",
    ]:
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "sounds"


def names(inputs: list[Input]) -> list[str]:
    return [item.name.as_posix() for item in inputs]


def test_a_folder_is_searched_to_its_depths_in_any_letter_case(folder: Path) -> None:
    inputs = find_inputs(str(folder))
    assert names(inputs) == ["A.WAV", "b.wav", "deep/er/y.flac", "deep/x.Mp3"]
    assert [item.path for item in inputs] == [folder / item.name for item in inputs]


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=f"^{tmp_path}: no audio files found$"):
        find_inputs(str(tmp_path))


def test_a_pattern_finds_what_a_folder_would(folder: Path) -> None:
    assert names(find_inputs(f"{folder}/*")) == ["A.WAV", "b.wav"]
    assert names(find_inputs(f"{folder}/**/*.[Mf]*")) == ["deep/er/y.flac", "deep/x.Mp3"]


def test_a_pattern_from_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert find_inputs("b.*") == [Input(Path("b.wav"), PurePath("b.wav"))]


def test_a_pattern_without_matches_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"\*\.ogg: no audio files found"):
        find_inputs(f"{folder}/*.ogg")


def test_a_file_is_taken_whatever_its_suffix(folder: Path) -> None:
    assert find_inputs(str(folder / "notes.txt")) == [Input(folder / "notes.txt", PurePath("notes.txt"))]


def test_a_file_whose_name_looks_like_a_pattern(folder: Path) -> None:
    (folder / "take[1].wav").touch()
    assert names(find_inputs(f"{folder}/take[1].wav")) == ["take[1].wav"]


def test_a_missing_file_is_left_to_who_opens_it(tmp_path: Path) -> None:
    assert names(find_inputs(str(tmp_path / "gone.wav"))) == ["gone.wav"]


def test_standard_input() -> None:
    (item,) = find_inputs("-")
    assert item.path is None
    assert item.title == "-"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "label,file\ndog,a.wav\ncat,deep/b.wav\ndog,a.wav\n"),
        ("list.tsv", "filename\tonset\na.wav\t1.0\ndeep/b.wav\t2.0\n"),
        ("list.JSONL", '{"path": "a.wav"}\n\n{"path": "deep/b.wav"}\n'),
    ],
)
def test_a_manifest_lists_each_recording_once_from_its_own_folder(
    tmp_path: Path, name: str, text: str
) -> None:
    manifest = tmp_path / name
    manifest.write_text(text)
    inputs = find_inputs(str(manifest))
    assert names(inputs) == ["a.wav", "deep/b.wav"]
    assert inputs[1].path == tmp_path / "deep/b.wav"


def test_names_from_a_manifest_never_lead_out_of_a_folder(tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("\n".join(json.dumps({"file": file}) for file in ["/data/a.wav", "../b.wav"]))
    inputs = find_inputs(str(manifest))
    assert names(inputs) == ["a.wav", "b.wav"]
    assert inputs[0].path == Path("/data/a.wav")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            b"name\nx.wav\n",
            r"is not a manifest: a row names no recording \(expected one of: file, filen",
        ),
        ("a.csv", b"file\n", "lists no recordings"),
        ("a.csv", b"file\n\xff\xfe\n", "is not a manifest: .*codec can't decode"),
        ("a.jsonl", b"file: a.wav\n", "is not a manifest: Expecting value"),
        ("a.jsonl", b"[1]\n", "is not a manifest: a row names no recording"),
        ("a.parquet", b"PAR1", "Parquet manifests are not supported as inputs"),
        ("a.tar", b"", "tar shards are not supported as inputs"),
    ],
)
def test_manifests_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}: {message}"):
        find_inputs(str(tmp_path / name))


def test_a_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: No such file or directory"):
        find_inputs(str(tmp_path / "gone.csv"))
