from __future__ import annotations

import os
from pathlib import Path

import pytest

from htsat.web.page.names import file_name, new_id, path_id


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("street.wav", "street.wav"),
        ("Grüße 日本 (2).flac", "Grüße 日本 (2).flac"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.wav", "a.wav"),
        ("..", "recording"),
        ("", "recording"),
        (".hidden.wav", "hidden.wav"),
        ("a\x00b\nc.wav", "a_b_c.wav"),
        ("a\ud800.wav", "a_.wav"),
        ("<b>&\"'|?*.wav", "_b_______.wav"),
        ("e\u0301.wav", "\u00e9.wav"),
        ("trailing. ", "trailing"),
    ],
)
def test_names_of_files(name: str, expected: str) -> None:
    assert file_name(name) == expected
    assert file_name(expected) == expected


@pytest.mark.parametrize("name", ["a" * 500 + ".wav", "日" * 300 + ".flac", "a." + "b" * 300, "🦉" * 90])
def test_long_names_fit_every_file_system(tmp_path: Path, name: str) -> None:
    safe = file_name(name)
    assert len(safe.encode()) <= 100
    assert Path(safe).suffix == Path(name).suffix or len(Path(name).suffix) > 25
    (tmp_path / f".{safe}.draft.csv").write_text("")


def test_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert new_id() != new_id()
    monkeypatch.chdir(tmp_path)
    assert path_id(Path("a.wav")) == path_id(tmp_path / "a.wav") != path_id(tmp_path / "b.wav")
    assert path_id(Path(os.fsdecode(b"\xff.wav"))).isalnum()
