from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from pathlib import Path, PurePath

import fsspec
import numpy as np
import pyarrow as pa
import pytest
import soundfile
from pyarrow import parquet

from htsat.audio import load_audio, open_audio
from htsat.bulk.inputs import Input, find_inputs
from htsat.errors import AudioError, DataError, HtsatError, MissingExtraError

from .stub import forbidding


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


def test_a_folder_that_cannot_be_read_stands_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "scandir", forbidding(folder / "deep"))
    problems: list[HtsatError] = []
    assert names(find_inputs(str(folder), problems.append)) == ["A.WAV", "b.wav"]
    assert list(map(str, problems)) == [f"{folder}/deep: Permission denied"]
    with pytest.raises(DataError, match=f"^{folder}/deep: Permission denied$"):
        find_inputs(str(folder))
    with pytest.raises(DataError, match=f"^{folder}/deep: Permission denied$"):
        find_inputs(str(folder / "deep"), problems.append)


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
        ("a.csv", b"name\nx.wav\n", r": is not a manifest: no column names recordings \(.*; found name\)$"),
        ("a.csv", b"file\n", ": lists no recordings"),
        ("a.csv", b"", ": lists no recordings"),
        (
            "a.csv",
            b'label,file\n"a\nb",x.wav\n\nc\n',
            r", line 5: names no recording \(expected one of: file, ",
        ),
        ("a.csv", b"file\n" + b"x" * 200_000, ": is not a manifest: line 2: field larger than field limit"),
        ("a.csv", b"file\na.wav\ns3://b/x.wav\n", ", line 3: s3://b/x.wav is an address, and a manifest on"),
        (
            "a.jsonl",
            b'{"file": "a"}\nfile: a.wav\n',
            ": is not a manifest: line 2, column 1: Expecting value",
        ),
        ("a.jsonl", b"\n[1]\n", ", line 2: names no recording"),
        ("a.jsonl", b"[" * 100_000, ": is not a manifest: line 1: maximum recursion depth exceeded"),
        ("a.jsonl", b'{"file": "a\\u0000b.wav"}', r", line 1: no file can be called 'a.x00b\.wav'"),
        ("a.jsonl", b'{"file": "\\ud800.wav"}', r", line 1: no file can be called '.ud800\.wav'"),
        ("a.parquet", b"PAR1", ": is not a manifest: "),
        ("a.tar", b"", r": cannot be read as a tar shard \(empty file\)"),
        ("a.tar", b"no tar at all" * 99, r": cannot be read as a tar shard \("),
    ],
)
def test_manifests_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name}{message}"):
        find_inputs(str(tmp_path / name))


@pytest.mark.skipif(sys.platform != "linux", reason="names of this system are text")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"file\ncaf\xe9.wav\n")
    (tmp_path / "a.jsonl").write_text(r'{"file": "caf\udce9.wav"}')
    parquet.write_table(pa.table({"file": [r"caf\udce9.wav"]}), tmp_path / "a.parquet")
    for manifest in ("a.csv", "a.jsonl", "a.parquet"):
        [item] = find_inputs(str(tmp_path / manifest))
        assert os.fsencode(item.name) == b"caf\xe9.wav"


def test_a_missing_manifest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.csv: No such file or directory"):
        find_inputs(str(tmp_path / "gone.csv"))


@pytest.mark.parametrize("column", ["file", "path"])
def test_a_parquet_manifest(tmp_path: Path, column: str) -> None:
    manifest = tmp_path / "list.parquet"
    parquet.write_table(pa.table({"label": ["x"] * 3, column: ["a.wav", "deep/b.wav", "a.wav"]}), manifest)
    inputs = find_inputs(str(manifest))
    assert names(inputs) == ["a.wav", "deep/b.wav"]
    assert inputs[1].path == tmp_path / "deep/b.wav"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"name": ["a.wav"]},
            r": is not a manifest: no column names recordings \(expected one of: file, fil",
        ),
        ({"file": ["a.wav", None]}, r", row 2: names no recording \(expected one of: file, filename, path\)"),
        ({"file": [1]}, ", row 1: names no recording"),
    ],
)
def test_parquet_that_is_no_manifest(tmp_path: Path, columns: dict[str, list[object]], message: str) -> None:
    parquet.write_table(pa.table(columns), tmp_path / "list.parquet")
    with pytest.raises(DataError, match=f"list.parquet{message}"):
        find_inputs(str(tmp_path / "list.parquet"))


def sound(seed: int) -> bytes:
    file = io.BytesIO()
    noise = 0.1 * np.random.default_rng(seed).standard_normal(4000)
    soundfile.write(file, noise, 8000, format="FLAC")
    return file.getvalue()


def add(shard: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
    shard.addfile(member, io.BytesIO(content))


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "shards" / "000.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as file:
        add(file, "deep/b.flac", sound(1))
        add(file, "deep/b.json", b"{}")
        add(file, "./a.FLAC", sound(2))
        add(file, ".hidden/c.flac", sound(3))
        add(file, "folder.flac", kind=tarfile.DIRTYPE)
        add(file, "link.flac", kind=tarfile.SYMTYPE)
        add(file, "hard.flac", kind=tarfile.LNKTYPE)
        add(file, "device.flac", kind=tarfile.CHRTYPE)
        add(file, "../../out.flac", sound(4))
        add(file, "/etc/abs.flac", sound(5))
    return path


def test_the_members_of_a_shard_are_recordings(shard: Path, tmp_path: Path) -> None:
    inputs = find_inputs(str(shard))
    assert names(inputs) == ["000.tar/deep/b.flac", "000.tar/a.FLAC", "000.tar/out.flac", "000.tar/abs.flac"]
    assert inputs[0].title == f"{shard}/deep/b.flac"
    for item, seed in zip(inputs, (1, 2, 4, 5), strict=True):
        (tmp_path / "same.flac").write_bytes(sound(seed))
        assert item.opener is not None
        with open_audio(item.opener, 8000) as audio:
            heard = np.concatenate(list(audio.blocks()))
        np.testing.assert_array_equal(heard, load_audio(tmp_path / "same.flac", 8000))
    assert find_inputs(f"{shard.parent}/*.tar") == inputs


def test_a_shard_without_recordings(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        add(file, "a.json", b"{}")
    with pytest.raises(DataError, match=r"a\.tar: no audio files found"):
        find_inputs(str(tmp_path / "a.tar"))


def test_a_shard_that_is_cut_off(shard: Path) -> None:
    content = shard.read_bytes()
    first = find_inputs(str(shard))[0]
    assert first.opener is not None
    shard.write_bytes(content[: first.opener.offset + 100])  # type: ignore[union-attr]
    with pytest.raises(
        DataError, match=r"000\.tar: cannot be read as a tar shard \(unexpected end of data\)"
    ):
        find_inputs(str(shard))
    shard.write_bytes(content[: first.opener.offset])  # type: ignore[union-attr]
    with pytest.raises(AudioError, match=r"000\.tar/deep/b\.flac: is cut off: the shard ends before it"):
        open_audio(first.opener, 8000)


def test_a_large_member_is_read_from_a_file(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_inputs(str(shard))[0]
    assert first.opener is not None
    with open_audio(first.opener, 8000) as audio:
        expected = np.concatenate(list(audio.blocks()))
    monkeypatch.setattr("htsat.audio.stream._BYTES_IN_MEMORY", 1000)
    with open_audio(first.opener, 8000) as audio:
        np.testing.assert_array_equal(np.concatenate(list(audio.blocks())), expected)


@pytest.fixture
def store() -> str:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for number, name in enumerate(["b.flac", "a.FLAC", "deep/c.flac", "notes.txt", ".hidden/d.flac"]):
        memory.pipe(f"/sounds/{name}", sound(number))
    return "memory://sounds"


def test_a_folder_of_a_store(store: str) -> None:
    inputs = find_inputs(store)
    assert names(inputs) == ["a.FLAC", "b.flac", "deep/c.flac"]
    assert inputs[2].title == "memory:///sounds/deep/c.flac"
    assert inputs[2].opener is not None
    with open_audio(inputs[2].opener, 8000) as audio:
        assert sum(map(len, audio.blocks())) == 4000


def test_patterns_and_files_of_a_store(store: str) -> None:
    assert names(find_inputs(f"{store}/*.flac")) == ["b.flac"]
    assert names(find_inputs(f"{store}/**/*.flac")) == ["b.flac", "deep/c.flac"]
    assert names(find_inputs(f"{store}/notes.txt")) == ["notes.txt"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("memory://sounds/gone.flac", "^memory://sounds/gone.flac: No such file or directory$"),
        ("memory://sounds/*.wav", r"^memory://sounds/\*\.wav: no audio files found$"),
        ("nowhere://sounds", "^nowhere://sounds: .*not known"),
    ],
)
def test_stores_that_have_nothing(store: str, address: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_inputs(address)


def test_a_file_that_left_its_store(store: str) -> None:
    [item] = find_inputs(f"{store}/b.flac")
    fsspec.filesystem("memory").rm("/sounds/b.flac")
    assert item.opener is not None
    with pytest.raises(AudioError, match=r"^memory:///sounds/b.flac: No such file or directory$"):
        open_audio(item.opener, 8000)


def test_what_reads_stores_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match=r"an object store needs .* 'htsat.remote.'"):
        find_inputs("s3://bucket/sounds")


def test_the_order_is_that_of_paths(tmp_path: Path) -> None:
    for name in ["a/x.wav", "a.wav", "a-b/y.wav", "a b.wav"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    expected = sorted(tmp_path.rglob("*.wav"))
    assert [item.path for item in find_inputs(str(tmp_path))] == expected
    assert [item.path for item in find_inputs(f"{tmp_path}/**/*.wav")] == expected


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "a.wav").touch()
    (tmp_path / "sounds" / "around").symlink_to(tmp_path / "sounds")
    (tmp_path / "sounds" / "b.wav").symlink_to(tmp_path / "sounds" / "a.wav")
    assert names(find_inputs(str(tmp_path / "sounds"))) == ["a.wav", "b.wav"]
