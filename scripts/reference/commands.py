"""One page with the help of every command."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from unittest import mock

from htsat.cli.main import COMMANDS, main

WIDTH = 100

_HEAD = """# Commands

What `htsat COMMAND --help` says, for every command (`python scripts/write_reference.py` wrote this page).
Results go to standard output or `-o`, messages to standard error. Exit codes: 0 all done, 1 some inputs
failed, 2 wrong use, 130 interrupted. `--debug` after any command shows where an error comes from. The
settings of training runs stand in [their own reference](api/training.md).
"""
_SETTINGS = "One training run:"
_NOTE = "settings:\n  All that a run can be told, with types and defaults: docs/api/training.md\n"
_DATA_SET = re.compile(r"^  ([\w-]+)  +\S", re.MULTILINE)
_TWO_METAVARS = re.compile(r"(-\w) (\[?[A-Z][\w.]*\]?), (--[\w-]+) \2")
_TYPES = re.compile(r"\s*\((?:required, )?type: <class 'Path'>(?:,\s+default:\s+null)?\)")


def commands_page() -> str:
    """The page `docs/commands.md`."""
    rows = [f"| [`htsat {name}`](#htsat-{name}) | {text} |" for name, text in COMMANDS.items()]
    parts = [_HEAD, "\n".join(["| command | |", "|---|---|", *rows, ""])]
    for name in COMMANDS:
        parts.extend(_sections(name))
    return "\n".join(parts)


def _sections(name: str) -> Iterator[str]:
    """The help of a command, and of each data set of `prepare`."""
    text = _help(name)
    yield f"## `htsat {name}`\n\n```text\n{_short(text)}```\n"
    _, listed, data_sets = text.partition("data sets:\n")
    for data_set in _DATA_SET.findall(data_sets) if listed else ():
        yield f"### `htsat {name} {data_set}`\n\n```text\n{_short(_help(name, data_set))}```\n"


def _help(*words: str) -> str:
    screen = io.StringIO()
    narrow = mock.patch.dict(os.environ, COLUMNS=str(WIDTH))
    with contextlib.redirect_stdout(screen), narrow:
        code = main([*words, "--help"])
    if code:
        raise RuntimeError(f"htsat {' '.join(words)} --help: exit code {code}")
    return screen.getvalue()


def _short(text: str) -> str:
    """Help without the usage, which says again what the options say, and without the settings of training."""
    usage, _, rest = text.partition("\n\n")
    if _SETTINGS in rest:
        end = rest.rindex("example:")
        rest = f"{rest[: rest.index(_SETTINGS)]}{_NOTE}\n{rest[end:]}"
    needed = " ".join(usage.split())
    kept = f"{needed}\n\n" if len(needed) <= WIDTH else ""
    # Python 3.13 writes `-o, --output PATH`, earlier ones name PATH twice.
    return _TWO_METAVARS.sub(r"\1, \3 \2", _TYPES.sub("", kept + rest)).strip() + "\n"
