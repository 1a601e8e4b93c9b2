"""Names of files and classes come from strangers, and do not steer the terminal they are shown on."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from htsat.cli.main import main
from htsat.cli.terminal import one_line, open_streams, printable, printable_results, say

CLEAR_SCREEN = "\x1b[2J"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{CLEAR_SCREEN}x.wav", r"\x1b[2Jx.wav"),
        ("a\rb", r"a\rb"),
        ("bell\x07 delete\x7f csi\x9b", r"bell\x07 delete\x7f csi\x9b"),
        ("Straße\t1\n", "Straße\t1\n"),
        ("\udcff.wav", "\udcff.wav"),
    ],
)
def test_control_characters_are_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_messages_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{CLEAR_SCREEN}.wav: cannot be read")
    assert capsys.readouterr().err == "htsat: \\x1b[2J.wav: cannot be read\n"


def test_errors_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", str(tmp_path / f"{CLEAR_SCREEN}.wav")]) == 1
    told = capsys.readouterr().err
    assert r"\x1b[2J.wav" in told
    assert "\x1b" not in told


def test_a_name_does_not_begin_a_line_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert one_line("a\nb\tc") == "a\\nb\tc"
    names = [str(tmp_path / "a\nhtsat: all is well.wav"), str(tmp_path / "b.wav")]
    assert main(["tag", *names]) == 1
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.endswith("a\\nhtsat: all is well.wav: No such file or directory")
    assert second.endswith("b.wav: No such file or directory")
    assert last == "htsat: 2 of 2 inputs failed"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", [["tag", "examples/dog.ogg"], ["models"], ["--help"]])
def test_output_on_a_full_disk_is_told_in_one_line(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "htsat", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "htsat: standard output, or a temporary file: No space left on device\n"


def test_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with `>&-`: what nobody hears is said to nobody."""
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["--help"]) == 0
    assert main(["tag", "nowhere.wav"]) == 1
    assert main(["tag", "-"]) == 1
    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).close()


def shown_at_a_terminal(text: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What a terminal gets when a command prints."""
    of_terminal, of_program = pty.openpty()
    stream = io.TextIOWrapper(os.fdopen(of_program, "wb"), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    open_streams()
    with printable_results():
        print(text)
    assert sys.stdout is stream
    try:
        return os.read(of_terminal, 1000)
    finally:
        stream.close()
        os.close(of_terminal)


def test_results_do_not_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{CLEAR_SCREEN}\udcff.wav (5.00 s)"
    assert shown_at_a_terminal(text, monkeypatch) == b"\\x1b[2J\xff.wav (5.00 s)\r\n"


def test_programs_get_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    open_streams()
    with printable_results():
        print(f"{CLEAR_SCREEN}\udcff.wav", flush=True)
    assert written.getvalue() == b"\x1b[2J\xff.wav\n"
