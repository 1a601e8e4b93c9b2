from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from htsat.errors import HtsatError
from htsat.files import LOCK_NAME, atomic_path, sole_writer, sync_folder, write_text


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


@pytest.mark.skipif(os.name == "nt", reason="without locks nobody knows who lives")
def test_what_killed_writers_left_goes_and_what_others_write_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for number in (1, 2, 4):
        (tmp_path / f".a.txt.htsat-{number:02}.txt").write_text("half")
    (tmp_path / ".b.txt.htsat-01.txt").write_text("of another file")
    with atomic_path(path) as first, atomic_path(path) as second:
        assert (first.name, second.name) == (".a.txt.htsat-01.txt", ".a.txt.htsat-02.txt")
        first.write_text("one")
        second.write_text("two")
    assert path.read_text() == "one"
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        ".a.txt.htsat-04.txt",
        ".b.txt.htsat-01.txt",
        "a.txt",
    ]
    (tmp_path / ".a.txt.htsat-01.txt").mkdir()
    write_text(path, "again")
    assert path.read_text() == "again"


def test_an_error_of_the_disk_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as raised, atomic_path(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.filename == str(tmp_path / "a.txt")
    other = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(tmp_path / "input.wav"))
    with pytest.raises(FileNotFoundError) as kept, atomic_path(tmp_path / "a.txt"):
        raise other
    assert kept.value is other


def test_a_disk_that_does_not_keep_names_is_told_of_by_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_folder(tmp_path)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "the system does not say which file")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        sync_folder(tmp_path)
    assert caught.value.filename == str(tmp_path)


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    write_text(tmp_path / f"{'日' * 83}.txt", "text")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["text"]


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_one_process_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with (
        sole_writer(folder / LOCK_NAME, folder),
        pytest.raises(HtsatError, match="new: another process writes to it; wait, or choose another"),
        sole_writer(folder / LOCK_NAME, folder),
    ):
        pass
    (folder / LOCK_NAME).touch()  # of a process that was killed
    with sole_writer(folder / LOCK_NAME, folder):
        pass
    assert not list(folder.iterdir())


KILLED_OWNER = """
import os, sys, time
from pathlib import Path
from htsat.files import LOCK_NAME, sole_writer
folder = Path(sys.argv[1])
with sole_writer(folder / LOCK_NAME, folder):
    if not os.fork():
        print(os.getpid(), flush=True)
    time.sleep(60)
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_lock_ends_with_its_owner_though_a_process_forked_off_lives(tmp_path: Path) -> None:
    """As those that prepare clips do for a while when a run was killed: it can go on at once."""
    command = [sys.executable, "-c", KILLED_OWNER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        owner.kill()
        owner.wait()
        try:
            with sole_writer(tmp_path / LOCK_NAME, tmp_path):
                os.kill(child, 0)  # it lives
        finally:
            os.kill(child, signal.SIGKILL)
