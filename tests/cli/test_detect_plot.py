"""`htsat detect --plot`: pictures of what is heard, from the same pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., int]


def test_events_are_the_same_with_pictures_and_without(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    extra = ["--plot", tmp_path / "plots", "--scores", tmp_path / "scores"]
    for name, options in (("with", extra), ("without", [])):
        assert htsat("detect", recordings, *options, "-o", tmp_path / f"{name}.csv") == 0
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()
    plots = sorted(path.relative_to(tmp_path / "plots").as_posix() for path in tmp_path.rglob("*.png"))
    assert plots == ["a.png", "b.png", "deep/c.png"]
    assert len(list((tmp_path / "scores").iterdir())) == 3


def test_one_recording_may_become_a_page(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    assert htsat("detect", recordings / "a.wav", "--plot", tmp_path / "a.html", "-o", tmp_path / "a.csv") == 0
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")


def test_pictures_that_cannot_be_written_are_named(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plots" / "a.png").mkdir(parents=True)
    command = ["detect", recordings, "--plot", tmp_path / "plots", "-o", tmp_path / "a.csv"]
    assert htsat(*command) == 1
    assert "a.png is not a file that can be replaced" in capsys.readouterr().err
    assert htsat("detect", recordings, "--plot", tmp_path / "a.png") == 2
    assert "a.png is one picture; those of 3 recordings need a folder" in capsys.readouterr().err
