"""How the errors of this folder are worded: one line, the file first, then the first few names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from htsat.errors import CheckpointError


def some(names: Collection[str], n_shown: int = 3) -> str:
    """The first few names and how many more there are."""
    shown = ", ".join(name if name.isprintable() else repr(name) for name in list(names)[:n_shown])
    return shown if len(names) <= n_shown else f"{shown} and {len(names) - n_shown} more"


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 tensor", "2 tensors"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def check_names(what: str, expected: Collection[str], got: Collection[str]) -> None:
    """Refuse names that are missing or unknown; `what` says in the singular what they name.

    Raises:
        CheckpointError: naming the first few of each.
    """
    missing = [name for name in expected if name not in got]
    unknown = [name for name in got if name not in expected]
    found = [(names, word) for names, word in ((missing, "missing"), (unknown, "unknown")) if names]
    if found:
        counted = [f"{plural(len(names), what)} {word} ({some(names)})" for names, word in found]
        raise CheckpointError(" and ".join(counted))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Begin the message of every CheckpointError with the file it is about."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
