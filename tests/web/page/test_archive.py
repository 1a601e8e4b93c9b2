from __future__ import annotations

import os
import tracemalloc
import zipfile
from pathlib import Path, PurePath

import pytest

from htsat.web.page.archive import archive_of
from htsat.web.page.labels import Labels, save_labels
from htsat.web.page.recording import Place


def labelled(path: Path, packed: str) -> Place:
    save_labels(path, Labels(True, []))
    return Place("id", path.name, path, PurePath(packed), False)


def test_memory_does_not_grow_with_recordings(tmp_path: Path) -> None:
    size = 200_000_000
    with (tmp_path / "a.wav").open("wb") as file:
        file.truncate(size)
    place = labelled(tmp_path / "a.wav", "a.wav")
    tracemalloc.start()
    try:
        n_bytes = sum(map(len, archive_of([place])))
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()
    assert n_bytes > size


def test_nothing_to_pack(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"".join(archive_of([])))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == []


@pytest.mark.parametrize("time_s", [-1e9, 0, 1e9, 2**33])
def test_any_time(tmp_path: Path, time_s: float) -> None:
    (tmp_path / "a.wav").write_bytes(b"sound")
    os.utime(tmp_path / "a.wav", (time_s, time_s))
    content = b"".join(archive_of([labelled(tmp_path / "a.wav", "a.wav")]))
    (tmp_path / "a.zip").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("a.wav") == b"sound"


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.wav")
    path.write_bytes(b"sound")
    content = b"".join(archive_of([labelled(path, f"1/{path.name}")]))
    (tmp_path / "a.zip").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [
            "1/\N{REPLACEMENT CHARACTER}.wav",
            "1/\N{REPLACEMENT CHARACTER}.wav.csv",
        ]
