"""CSV as this package writes it: a row ends in a line feed, and every reader finds its end.

Python before 3.13 quotes a carriage return only where rows end in one too; unquoted it breaks a row in two.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from _csv import Writer

_WRITTEN_END = "\r\n"


class _LineFeeds:
    """Takes whole rows, and writes them with another end."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix(_WRITTEN_END) + "\n")


def csv_writer(file: TextIO, delimiter: str = ",") -> Writer:
    """A writer of rows for a file that was opened with `newline=""` or `"\\n"`."""
    return csv.writer(_LineFeeds(file), delimiter=delimiter, lineterminator=_WRITTEN_END)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as text."""
    text = io.StringIO(newline="")
    csv_writer(text).writerows(rows)
    return text.getvalue()
