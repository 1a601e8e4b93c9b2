"""The wall clock jumps by ten years while something is written: results are those of a quiet day."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import htsat

from .cases import CASES, contents, copy
from .conftest import Fault, Warm

TEN_YEARS_S = 315_576_000
AS_A_DATE = {
    "bulk/lock.py": "how long somebody holds an output, for people",
    "cli/facts.py": "how old a file is, for people",
    "files.py": "what was left a day ago, where the system has no locks",
    "web/page/workspace.py": "the order of uploads",
}
"""Modules that ask for the time of day, and what for: durations and limits are measured by other clocks."""


@pytest.mark.parametrize("name", ["detect csv", "many files", "pack", "models get", "teach", "train"])
@pytest.mark.parametrize("jump_s", [TEN_YEARS_S, -TEN_YEARS_S])
def test_results_do_not_depend_on_the_clock(
    warm: Warm, things: Path, tmp_path: Path, name: str, jump_s: int
) -> None:
    case, out = CASES[name], tmp_path / "out"
    out.mkdir()
    undisturbed = warm(out, "command", *case.call(case.words, things, out))
    assert undisturbed.code == 0, undisturbed.err
    expected = contents(out)
    for number in (2, len(undisturbed.calls) // 2):
        copy_of_nothing = tmp_path / f"nothing-{number}"
        copy_of_nothing.mkdir()
        copy(copy_of_nothing, out)
        ended = warm(out, "command", *case.call(case.words, things, out), fault=Fault("jump", number, jump_s))
        assert ended.code == 0, ended.err
        assert contents(out) == expected
        again = warm(out, "command", *case.call(case.again or case.words, things, out))
        assert again.code == 0, again.err
        assert contents(out) == expected


def test_the_page_hears_to_the_end_whatever_the_clock_says(warm: Warm, things: Path, tmp_path: Path) -> None:
    for number, jump_s in enumerate((TEN_YEARS_S, -TEN_YEARS_S)):
        out = tmp_path / f"{number}"
        out.mkdir()
        fault = Fault("jump", 16, jump_s)
        ended = warm(out, "upload", things / "recordings" / "r0.wav", out, fault=fault)
        assert ended.code == 0, ended.out + ended.err
        assert "done" in ended.out


def test_no_duration_is_measured_by_the_time_of_day() -> None:
    root = Path(htsat.__file__).parent
    asking = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("time.time", "time.time_ns")
    }
    assert asking == set(AS_A_DATE)
