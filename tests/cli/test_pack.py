"""`htsat pack`: many recordings in few shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.audio import SUFFIXES
from htsat.cli.main import main
from htsat.data.manifest import read_data

pytest.importorskip("pyarrow")

RATE = 16_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two classes with two recordings each."""
    for number, name in enumerate(["dog/1.wav", "dog/2.wav", "cat/1.wav", "cat/3.wav"]):
        path = tmp_path / "recordings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = 0.1 * np.random.default_rng(number).standard_normal(RATE)
        soundfile.write(path, noise, RATE)
    return tmp_path / "recordings"


def run(folder: Path, shards: Path, *options: str) -> int:
    return main(["pack", str(folder), "-o", str(shards), *options])


def test_a_folder_becomes_shards(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, tmp_path / "shards", "--sample-rate", "16000", "--jobs", "2") == 0
    captured = capsys.readouterr()
    assert captured.out == f"4 clips, 1 shards: {tmp_path / 'shards' / 'index.parquet'}\n"
    assert captured.err == ""
    packed = read_data(tmp_path / "shards", SUFFIXES)
    assert packed.labels.names == ("cat", "dog")
    assert [clip.group for clip in packed.clips] == ["1", "3", "1", "2"]


def test_broken_recordings_are_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "dog" / "2.wav").write_bytes(b"")
    for _ in range(2):
        assert run(folder, tmp_path / "shards") == 1
        captured = capsys.readouterr()
        assert captured.err == f"htsat: left out: {folder / 'dog' / '2.wav'}: is an empty file\n"
        assert captured.out.startswith("3 clips, 1 shards: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "ogg"], "argument --format: invalid choice: 'ogg'"),
        (["--format", "opus", "--sample-rate", "32000"], "opus takes 8000, 12000, 16000"),
        (["--shard-mb", "0"], "shards must be larger than 0 MB, got 0"),
        (["--jbos", "2"], "unknown option '--jbos'; did you mean '--jobs'"),
        (["--jobs", "0"], "expected a whole number, at least 1, got '0'"),
    ],
)
def test_wrong_use_is_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(folder, tmp_path / "shards", *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "shards").exists()


def test_what_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "gone.tsv", tmp_path / "shards") == 1
    assert capsys.readouterr().err == f"htsat: {tmp_path / 'gone.tsv'}: No such file or directory\n"


def test_a_folder_with_other_things_is_kept(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, folder) == 1
    assert "is not empty, and no packing was begun in it" in capsys.readouterr().err
