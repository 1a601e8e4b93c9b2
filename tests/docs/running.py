"""Runs the blocks of one page, as a reader would: one after the other, in a folder with `examples/`.

A command of `htsat` without further shell runs within this process, in which its start is free; all others in
bash, with `htsat` and `python` as they are here. Standard output is a terminal, so that tables are shown.
"""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import htsat
from htsat.cli.main import main

from .blocks import Block, console_parts
from .comparison import difference

_SHELL = re.compile(r"[|<>$`;&*(){}~]|^\w+=")
_LIMIT_S = 600


class Result(NamedTuple):
    """What a command or some Python left: its output, its messages, and why it failed ("" if it did not)."""

    output: str
    messages: str = ""
    failure: str = ""


class Reader:
    """Goes through the blocks of a page in the current folder.

    `quicker` names, for a command, options that it gets unless it has some of them, so that a test is short.
    """

    def __init__(self, quicker: Mapping[str, Sequence[str]]) -> None:
        self._quicker = quicker
        self._namespace: dict[str, Any] = {"__name__": "__page__"}
        self._last = Result("")

    def read(self, block: Block) -> str | None:
        """Run or compare a block; what is wrong with it, or None."""
        if block.first:
            exec(block.first, self._namespace)
        if block.skipped is not None:
            self._last = Result("")
            return None
        match block.kind:
            case "python":
                self._last = self._python(block)
            case "commands":
                self._last = self._commands(block.text)
            case "console":
                return self._console(block.text)
            case "output":
                return difference(block.text, self._last.output, self._last.messages)
            case _:
                return None
        return self._last.failure or None

    def _python(self, block: Block) -> Result:
        output = io.StringIO()
        code = compile("\n" * block.line + block.text, "page", "exec")
        try:
            with contextlib.redirect_stdout(output):
                exec(code, self._namespace)
        except Exception:
            return Result(output.getvalue(), failure=traceback.format_exc(limit=-2))
        return Result(output.getvalue())

    def _console(self, text: str) -> str | None:
        for command, shown in console_parts(text):
            result = self._commands(command)
            wrong = result.failure or difference(shown, result.output, result.messages)
            if wrong:
                return f"{command.strip()}: {wrong}"
        return None

    def _commands(self, text: str) -> Result:
        """Several commands of one block: their outputs one after the other, up to the first that fails."""
        if any(_SHELL.search(line) or not line.startswith("htsat ") for line in logical_lines(text)):
            return _in_shell(text)
        results = []
        for line in logical_lines(text):
            words = shlex.split(line, comments=True)[1:]
            quicker = self._quicker.get(words[0], ())
            results.append(_in_process(words if {*quicker} & {*words} else [*words, *quicker]))
            if results[-1].failure:
                break
        outputs, messages, failures = zip(*results, strict=True)
        return Result("".join(outputs), "".join(messages), "".join(failures))


def logical_lines(text: str) -> Iterator[str]:
    """Lines of a shell script, those that end in a backslash joined, without comments and empty ones."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


class _Screen(io.TextIOWrapper):
    """Standard output or error: keeps what is written."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]


def _in_process(words: list[str]) -> Result:
    output, messages = _Screen(terminal=True), _Screen(terminal=False)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(messages):
        code = main(words)
    failure = f"htsat {shlex.join(words)}: exit code {code}: {messages.text()}" if code else ""
    return Result(output.text(), messages.text(), failure)


def _in_shell(script: str) -> Result:
    command = ["bash", "-euo", "pipefail", "-c", script]
    master, slave = pty.openpty()
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, stdout=slave, stderr=errors) as process:
            os.close(slave)
            output = _read_terminal(master)
            code = process.wait(_LIMIT_S)
        errors.seek(0)
        messages = errors.read()
    return Result(output, messages, f"{script.strip()}: exit code {code}: {messages}" if code else "")


def _read_terminal(master: int) -> str:
    """All that is written to a terminal until nobody has it open any more."""
    parts = []
    with open(master, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while part := terminal.read(65_536):
            parts.append(part)
    return b"".join(parts).decode("utf-8").replace("\r\n", "\n")


def put_programs_in_reach(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `htsat` and `python` as they are here the programs of these names; `folder` is where they lie."""
    folder.mkdir()
    for name, arguments in {"python": "", "htsat": "-m htsat "}.items():
        starter = folder / name
        starter.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments}"$@"\n')
        starter.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(Path(htsat.__file__).parents[1]), prepend=os.pathsep)
