"""Which options belong to results, and which may change between calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from htsat.errors import ConfigError

from .stub import call, files

pytestmark = pytest.mark.usefixtures("small_units")


def test_other_options_are_refused(tmp_path: Path, recordings: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    call(recordings, out)
    before = files(out)
    with pytest.raises(
        ConfigError, match=r"out: what is there was made with --top 3, this call has --top 5; c"
    ):
        call(recordings, out, top=5)
    with pytest.raises(ConfigError, match="made with --format csv, this call has --format jsonl"):
        call(recordings, out, "jsonl")
    assert files(out) == before


def test_other_options_and_commands_are_refused_where_a_file_is_finished(
    tmp_path: Path, recordings: Path
) -> None:
    (recordings / "2" / "r17.wav").write_text("good")
    out = tmp_path / "out.csv"
    assert call(recordings, out) == 0
    before = out.read_bytes()
    with pytest.raises(ConfigError, match=r"was made with --top 3, this call has --top 5; call it alike"):
        call(recordings, out, top=5)
    with pytest.raises(ConfigError, match=r"was made with htsat tag .*, this call has htsat detect "):
        call(recordings, out, command="detect")
    assert out.read_bytes() == before


def test_what_changes_no_result_may_change(tmp_path: Path, recordings: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    call(recordings, out)
    before = files(out)
    assert call(recordings, out, jobs=4, batch_size=7) == 1
    assert files(out) == before


def test_a_list_of_classes_may_be_longer_than_names_of_files(tmp_path: Path, recordings: Path) -> None:
    classes = ",".join(f"class {number}" for number in range(100))
    assert call(recordings, tmp_path / "out.csv", classes=classes) == 1
    assert call(recordings, tmp_path / "out.csv", classes=classes) == 1
