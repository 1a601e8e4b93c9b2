"""What people read at a terminal. File and class names come from strangers: they must not write on it."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that move the cursor, clear the screen or type for the user; not the ends of lines and tabs."""

_STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}


def printable(text: str) -> str:
    """The text with control characters spelled out, as in `\\x1b[2J`."""
    return _CONTROL.sub(_spelled, text)


def one_line(message: str) -> str:
    """The same for a message: a name with a line feed in it does not begin a line of its own."""
    return printable(message).replace("\n", r"\n")


def say(message: str) -> None:
    """Tell the user one line, beside a progress bar if there is one."""
    from tqdm import tqdm

    tqdm.write(f"htsat: {one_line(message)}", file=sys.stderr)


def open_streams() -> None:
    """Let output and error take file names that are not text in the encoding of the terminal.

    Of a stream that the caller has closed (`>&-`) nothing is read, and what is written to it is lost.
    """
    for name, mode in _STREAMS.items():
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def _spelled(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]


@contextmanager
def printable_results() -> Iterator[None]:
    """Spell out on standard output what would steer a terminal; into files and pipes all goes as it is."""
    stream = sys.stdout
    if not (isinstance(stream, io.TextIOWrapper) and stream.isatty()):
        yield
        return
    stream.flush()
    shown = _Printable(stream.buffer, "utf-8", "surrogateescape", line_buffering=True)
    sys.stdout = shown
    try:
        yield
    finally:
        sys.stdout = stream
        shown.detach()


class _Printable(io.TextIOWrapper):
    """Writes nothing that steers a terminal."""

    def write(self, text: str, /) -> int:
        super().write(printable(text))
        return len(text)

    def isatty(self) -> bool:
        """It stands before a terminal."""
        return True
