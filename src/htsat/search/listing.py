"""Results of a search as text: a table for people, CSV, JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from htsat.formats.csv_rows import csv_text
from htsat.formats.no_text import utf8_json
from htsat.formats.recording import one_line, time_text
from htsat.search.pairs import Pair
from htsat.search.ranking import DIGITS, Hit

Rows = Sequence[Hit] | Sequence[Pair]

HIT_COLUMNS = ("file", "start", "similarity")
PAIR_COLUMNS = ("file", "start", "other_file", "other_start", "similarity")


def _table(rows: Rows, _: Sequence[str]) -> str:
    return "".join(_table_line(row) for row in rows)


def _table_line(row: Hit | Pair) -> str:
    places = [row[:2]] if isinstance(row, Hit) else [row[:2], row[2:4]]
    shown = "  ".join(f"{start_s:9.2f} s  {one_line(file)}" for file, start_s in places)
    return f"  {row.similarity:6.3f}  {shown}\n"


def _csv(rows: Rows, columns: Sequence[str]) -> str:
    return csv_text([columns, *map(_texts, rows)])


def _texts(row: Iterable[str | float]) -> list[str]:
    *places, similarity = row
    times = (place if isinstance(place, str) else time_text(place) for place in places)
    return [*times, f"{similarity:.{DIGITS}f}"]


def _jsonl(rows: Rows, columns: Sequence[str]) -> str:
    documents = (dict(zip(columns, row, strict=True)) for row in rows)
    return "".join(utf8_json(json.dumps(document, ensure_ascii=False)) + "\n" for document in documents)


LISTINGS: dict[str, Callable[[Rows, Sequence[str]], str]] = {"table": _table, "csv": _csv, "jsonl": _jsonl}
"""By name: from rows and the names of their columns to text."""
