"""Labels and uploads of the page, stopped at calls that write."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.web.page.labels import read_labels

from .cases import EVERY_POINT, contents, copy
from .conftest import Fault, Warm
from .work import RATE

BEFORE = {
    "nothing": {},
    "reviewed": {"a.wav.csv": "onset,offset,label\n0.5,0.75,loud\n"},
    "draft": {".a.wav.draft.csv": "onset,offset,label\n0.5,0.75,loud\n"},
    "of another program": {"a.txt": "0.5\t0.75\tquiet\n"},
    "of another program under our name": {"a.wav.csv": "label,onset,offset\nquiet,0.5,0.75\n"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one recording."""
    (tmp_path / "before").mkdir()
    noise = 0.3 * np.random.default_rng(0).standard_normal(2 * RATE)
    soundfile.write(tmp_path / "before" / "a.wav", noise, RATE)
    return tmp_path / "before"


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("reviewed", ["yes", "no"])
def test_labels_are_the_old_or_the_new_ones(warm: Warm, folder: Path, before: str, reviewed: str) -> None:
    for name, text in BEFORE[before].items():
        (folder / name).write_text(text)
    out, workspace, words = folder.parent / "out", folder.parent / "ws", f"{reviewed}:0.25:1.0"
    copy(folder, out)
    old = read_labels(out / "a.wav")
    ended = warm(out, "put_labels", out, workspace, words)
    assert ended.code == 0, ended.out + ended.err
    new, undisturbed = read_labels(out / "a.wav"), contents(out)
    codes: Counter[int] = Counter()
    for first, kind in enumerate(("kill", "half", "full", "fail"), start=1):
        for number in range(first, len(ended.calls) + 1, 1 if EVERY_POINT else 5):
            copy(folder, out)
            disturbed = warm(out, "put_labels", out, workspace, words, fault=Fault(kind, number))
            about = f"{kind} at {disturbed.calls[-1]}: {disturbed.code} {disturbed.out}{disturbed.err}"
            codes[disturbed.code] += 1
            assert "Traceback" not in disturbed.err, about
            assert disturbed.code in (-9, 0, 1), about
            if disturbed.code == 1:
                assert "a.wav: labels cannot be saved" in disturbed.out, about
            assert read_labels(out / "a.wav") in (old, new), about
            assert warm(out, "put_labels", out, workspace, words).code == 0
            assert contents(out) == undisturbed, about
    print(dict(codes))
    assert codes[-9]


@pytest.mark.parametrize("kind", ["kill", "half", "full", "fail"])
def test_an_upload_is_there_or_it_is_not(warm: Warm, folder: Path, kind: str) -> None:
    out = folder.parent / "ws"
    out.mkdir()
    undisturbed = warm(out, "upload", folder / "a.wav", out)
    assert undisturbed.code == 0
    expected, n_calls = nameless(out), len(undisturbed.calls)
    step = 1 if EVERY_POINT else 7
    for number in range(1 + len(kind), n_calls + 1, step):
        shutil.rmtree(out)
        out.mkdir()
        ended = warm(out, "upload", folder / "a.wav", out, fault=Fault(kind, number))
        about = f"{kind} at {ended.calls[-1]}: {ended.code} {ended.out}{ended.err}"
        for path in (out / "uploads").glob("*/[!.]*"):
            assert path.read_bytes() == (folder / "a.wav").read_bytes(), about
        assert "Traceback" not in ended.err, about
        ended = warm(out, "upload", folder / "a.wav", out)
        assert ended.code == 0, about + ended.out + ended.err
        assert nameless(out) == expected, about


def nameless(folder: Path) -> dict[str, object]:
    """Files by their names, where uploads have none; times and numbers differ."""
    found = contents(folder)
    return {
        re.sub("[0-9a-f]{16}", "ID", name): content
        for name, content in found.items()
        if Path(name).name not in ("stamp", "recording.json")
    } | {f"{Path(name).name} {number}": None for number, name in enumerate(found) if name.endswith("stamp")}
