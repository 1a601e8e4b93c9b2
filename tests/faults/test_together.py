"""Two processes with one output: it is that of one of them, whole, or one of them is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from htsat.web.page.labels import read_labels

from .cases import CASES, contents, copy
from .conftest import Warm

REFUSED = {"train", "finetune", "pack", "teach"}
"""Commands that hold a lock on their folder."""
OVERLAP = [
    "detect csv",
    "embed npy",
    "tune",
    "average",
    "prepare",
    "report",
    "export openvino",
    *sorted(REFUSED),
]


@pytest.mark.parametrize("name", OVERLAP)
def test_the_same_command_twice_at_once(warm: Warm, things: Path, tmp_path: Path, name: str) -> None:
    case, out = CASES[name], tmp_path / "out"
    (tmp_path / "nothing").mkdir()
    copy(tmp_path / "nothing", out)
    words = case.call(case.words, things, out)
    assert warm(out, "command", *words).code == 0
    expected = contents(out)
    copy(tmp_path / "nothing", out)
    ended = warm(out, "together", "command", *words)
    assert "Traceback" not in ended.err
    codes = sorted(map(int, ended.out.split()[-2:]))
    if name in REFUSED:
        assert codes in ([0, 0], [0, 1]), ended.err  # one may begin when the other has ended
        assert codes == [0, 0] or "another process writes to it" in ended.err or "holds a run" in ended.err
    else:
        assert codes == [0, 0], ended.err
    assert contents(out) == expected


@pytest.mark.parametrize("name", ["detect csv", "tune", "average", "report", "export onnx"])
def test_two_commands_into_one_file(warm: Warm, things: Path, tmp_path: Path, name: str) -> None:
    """The file of one, or that of the other."""
    case, out = CASES[name], tmp_path / "out"
    assert case.before is not None
    (tmp_path / "nothing").mkdir()
    both = [case.call(words, things, out) for words in (case.words, case.before)]
    wanted = []
    for words in both:
        copy(tmp_path / "nothing", out)
        assert warm(out, "command", *words).code == 0
        wanted.append(contents(out))
    copy(tmp_path / "nothing", out)
    ended = warm(out, "together", "command", *both[0], "AND", *both[1])
    assert ended.out.split()[-2:] == ["0", "0"], ended.err
    for file, found in contents(out).items():
        assert found in [one[file] for one in wanted if file in one]


def test_two_services_save_labels_of_one_recording(warm: Warm, things: Path, tmp_path: Path) -> None:
    """The last writer wins, whole: no service knows of the other."""
    folder = tmp_path / "field"
    folder.mkdir()
    (folder / "a.wav").write_bytes((things / "recordings" / "r0.wav").read_bytes())
    one = [str(folder), str(tmp_path / "one"), *["yes:0:1", "no:0:0.5"] * 5]
    other = [str(folder), str(tmp_path / "other"), *["yes:0.5:1"] * 10]
    ended = warm(folder, "together", "put_labels", *one, "AND", *other)
    assert "Traceback" not in ended.err
    labels = read_labels(folder / "a.wav")
    assert labels is not None
    times_s = {(event.onset_s, event.offset_s) for event in labels.events}
    assert len(labels.events) == 1
    assert times_s <= {(0.0, 1.0), (0.0, 0.5), (0.5, 1.0)}
    assert not list(folder.glob(".*.htsat-*"))
