"""Names of files that are no text, in formats that hold nothing but text.

Python keeps a byte of a name that is not UTF-8 as half a character, `\\udcff` for 0xff. CSV and other plain
text get the byte itself. JSON gets its own escape, `\\udcff`, which readers of JSON take back. Parquet gets
the same six characters; so that they mean nothing else there, a backslash that stands before `udc` and two
such digits becomes `\\udc5c`.
"""

from __future__ import annotations

import re

_HALF = re.compile(r"[\ud800-\udfff]")
_BACKSLASH = re.compile(r"\\(?=udc[0-9a-f]{2})")
_SPELLED = re.compile(r"\\udc([0-9a-f]{2})")
_N_ASCII = 0x80


def utf8_json(text: str) -> str:
    """A JSON document as one that is UTF-8 throughout."""
    return _HALF.sub(_spelled_half, text)


def spelled(name: str) -> str:
    """A name as text; `named` is the inverse."""
    return _HALF.sub(_spelled_half, _BACKSLASH.sub(r"\\udc5c", name))


def named(text: str) -> str:
    """The name that a text spells."""
    return _SPELLED.sub(_byte, text) if "\\udc" in text else text


def _spelled_half(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _byte(found: re.Match[str]) -> str:
    value = int(found[1], 16)
    return chr(value if value < _N_ASCII else 0xDC00 + value)
