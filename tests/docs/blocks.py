"""The code blocks of a page of the manual.

- ```python is run, in one namespace for the whole page.
- ```console holds commands after `$ `, each with the output that follows it.
- ```sh, and a plain block that begins with a program of `PROGRAMS`, is run by a shell.
- A plain block or ```text right behind one that is run is the output of that.
- Other blocks (trees, tables, settings) are looked at, not run.
- `<!-- not run: reason -->` on the line before a block says that it cannot be run here; before an output,
  that it is not compared.
- `<!-- first: statement -->` is a line of Python that the next block needs and its readers do not.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROGRAMS = {
    "htsat",
    "python",
    "pip",
    "make",
    "git",
    "torchrun",
    "pytest",
    "time",
    "hf",
    "arecord",
    "ffmpeg",
    "curl",
}
PROGRAMS |= {"sbatch", "docker", "podman", "mkdir"}

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_SKIP = re.compile(r"<!-- not run: (?P<reason>.+?) -->\s*$")
_FIRST = re.compile(r"<!-- first: (?P<statement>.+?) -->")
_ASSIGNMENTS = re.compile(r"^(?:\w+=\S* +)*")


class Block(NamedTuple):
    """One block: what it is (`python`, `commands`, `console`, `output`, `other`), and where it stands."""

    kind: str
    text: str
    line: int
    skipped: str | None = None
    """Why it is not run or compared."""
    first: str = ""
    """Statements of Python to run before it."""


def blocks_of(text: str) -> Iterator[Block]:
    """All blocks of a page in their order."""
    end, before = 0, "other"
    for fence in _FENCE.finditer(text):
        between = text[end : fence.start()]
        skip = _SKIP.search(between)
        first = "\n".join(_FIRST.findall(between))
        adjacent = not _SKIP.sub("", between).strip()
        kind = _kind(fence["language"], fence["text"], before if adjacent else "other")
        line = text.count("\n", 0, fence.start()) + 1
        yield Block(kind, textwrap.dedent(fence["text"]), line, skip["reason"] if skip else None, first)
        end, before = fence.end(), kind


def read_blocks(page: Path) -> list[Block]:
    """All blocks of a page in their order."""
    return list(blocks_of(page.read_text(encoding="utf-8")))


def console_parts(text: str) -> Iterator[tuple[str, str]]:
    """Commands of a console block, each with the output that is shown below it."""
    command, output = "", ""
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            if command:
                yield command, output
            command, output = line[2:], ""
        elif command.endswith("\\\n"):
            command += line
        else:
            output += line
    if command:
        yield command, output


def _kind(language: str, text: str, before: str) -> str:
    if language in ("python", "console"):
        return language
    if language == "sh" or (not language and _first_word(text) in PROGRAMS):
        return "commands"
    runs = before in ("python", "commands")
    return "output" if language in ("", "text", "csv", "json") and runs else "other"


def _first_word(text: str) -> str:
    words = _ASSIGNMENTS.sub("", text.lstrip()).split()
    return words[0] if words else ""
