"""Outputs of several files that take their names one after the other: a mixture is refused, never used."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import CASES, contents, copy
from .conftest import Fault, Warm


@pytest.mark.parametrize(
    ("name", "listening", "complaint"),
    [
        (
            "embed npy",
            "search {things}/recordings/r0.wav {out}/a.npy",
            "does not belong to the files beside it",
        ),
        ("export openvino", "tag {things}/recordings/r0.wav --model {out}/x.xml", "htsat: "),
    ],
)
def test_a_mixture_of_two_calls_is_refused(
    warm: Warm, things: Path, tmp_path: Path, name: str, listening: str, complaint: str
) -> None:
    case, before, out = CASES[name], tmp_path / "before", tmp_path / "out"
    assert case.before is not None
    before.mkdir()
    copy(before, out)
    assert warm(out, "command", *case.call(case.before, things, out)).code == 0
    copy(out, before)
    words = case.call(case.words, things, out)
    calls = warm(out, "command", *words).calls
    expected = contents(out)
    renames = [int(call.split()[0]) for call in calls if call.split()[1] == "rename"]
    assert len(renames) > 1
    for number in renames[1:]:
        copy(before, out)
        assert warm(out, "command", *words, fault=Fault("kill", number)).code == -9
        told = warm(out, "command", *case.call(listening, things, out))
        assert told.code == 1
        assert complaint in told.err
        assert "Traceback" not in told.err
        assert "internal error" not in told.err
        assert warm(out, "command", *words).code == 0
        assert contents(out) == expected
