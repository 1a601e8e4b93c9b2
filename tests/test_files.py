from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from htsat.errors import HtsatError
from htsat.files import atomic_path, write_text


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("text")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
    assert path.read_text() == "text"
    assert list(path.parent.iterdir()) == [path]


def test_after_an_error_the_old_file_is_untouched_and_nothing_else_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), atomic_path(path) as temporary:
        temporary.write_text("half \udcff", encoding="utf-8")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("text")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "real" / "a.txt")
    with atomic_path(tmp_path / "link.txt") as temporary:
        temporary.write_text("text")
    assert (tmp_path / "real" / "a.txt").read_text() == "text"
    assert (tmp_path / "link.txt").is_symlink()


@pytest.mark.parametrize("name", ["folder", "device"])
def test_what_is_not_a_file_is_not_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path if name == "folder" else Path(os.devnull)
    with pytest.raises(HtsatError, match="is not a file that can be replaced"), atomic_path(path):
        pass
    assert path.exists()


def test_a_text_may_name_files_whose_names_are_no_text(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "report.json", "\udcff.wav ä")
    assert (tmp_path / "deep" / "report.json").read_bytes() == b"\xff.wav \xc3\xa4"
