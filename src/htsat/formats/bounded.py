"""Reading text files of others without trusting their size: neither a file nor a line may fill the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from htsat.errors import DataError

MAX_FILE_BYTES = 2**29
"""Of a file that is read whole: a hundred times the strong labels of AudioSet would not fit, ten times do."""
MAX_LINE_CHARACTERS = 2**24
"""Of a line in a file that is read line by line."""

_PIECE_BYTES = 2**20
_N_SHOWN = 12


def file_bytes(path: Path) -> bytes:
    """The content of a file; devices without end are refused like large files.

    Raises:
        DataError: when it cannot be read, or has more than `MAX_FILE_BYTES`.
    """
    content = bytearray()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                content += piece
                if len(content) > MAX_FILE_BYTES:
                    raise DataError(f"{path}: has more than {MAX_FILE_BYTES:,} bytes")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    return bytes(content)


def bounded_lines(file: TextIO) -> Iterator[str]:
    """The lines of an open file with their ends.

    Raises:
        ValueError: naming a line that has more than `MAX_LINE_CHARACTERS`.
    """
    number = 0
    while line := file.readline(MAX_LINE_CHARACTERS):
        number += 1
        if len(line) == MAX_LINE_CHARACTERS and not line.endswith(("\n", "\r")):
            raise ValueError(f"line {number} has more than {MAX_LINE_CHARACTERS:,} characters")
        yield line


def some_names(names: Sequence[str]) -> str:
    """Names for a message, which stays one that can be read: the first, cut where they are long."""
    shown = ", ".join(f"{name:.60}" for name in names[:_N_SHOWN])
    return f"{shown} and {len(names) - _N_SHOWN:,} more" if len(names) > _N_SHOWN else shown or "none"
