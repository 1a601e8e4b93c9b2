"""Every command that writes says in one line that a folder is read-only, and leaves it as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import CASES, contents
from .conftest import Warm
from .test_page import BEFORE
from .work import NOT_ALLOWED


@pytest.mark.parametrize("name", CASES)
def test_a_read_only_folder_is_named(warm: Warm, things: Path, tmp_path: Path, name: str) -> None:
    case, out = CASES[name], tmp_path / "out"
    out.mkdir()
    if case.before is not None:
        assert warm(out, "command", *case.call(case.before, things, out)).code == 0
    before = contents(out)
    ended = warm(out, "read_only", out, "command", *case.call(case.words, things, out))
    if ended.code == NOT_ALLOWED:
        pytest.skip("this system does not let tests mount folders")
    assert ended.code in (1, 2), ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("htsat: "), ended.err
    assert str(out) in last, ended.err
    assert "Read-only file system" in last, ended.err
    assert "Traceback" not in ended.err, ended.err
    assert contents(out) == before


def test_labels_in_a_read_only_folder(warm: Warm, things: Path, tmp_path: Path) -> None:
    folder = tmp_path / "field"
    folder.mkdir()
    (folder / "a.wav").write_bytes((things / "recordings" / "r0.wav").read_bytes())
    for name, text in BEFORE["reviewed"].items():
        (folder / name).write_text(text)
    before = contents(folder)
    ended = warm(folder, "read_only", folder, "put_labels", folder, tmp_path / "ws", "yes:0:1")
    if ended.code == NOT_ALLOWED:
        pytest.skip("this system does not let tests mount folders")
    assert ended.code == 1
    assert "labels cannot be saved: Read-only file system" in ended.out
    assert contents(folder) == before


def test_a_service_does_not_start_on_a_read_only_workspace(warm: Warm, things: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "ws").mkdir(parents=True)
    words = ["serve", "--port", 0, "--workspace", out / "ws", "--model", things / "one.safetensors"]
    ended = warm(out, "read_only", out, "command", *words)
    if ended.code == NOT_ALLOWED:
        pytest.skip("this system does not let tests mount folders")
    assert ended.code == 1, ended.err
    assert ended.err.splitlines()[-1].startswith("htsat: ")
    assert "Read-only file system" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
