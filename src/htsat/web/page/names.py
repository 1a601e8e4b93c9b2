"""Names of files that somebody else has chosen, made fit for a folder of ours."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from pathlib import Path

_MOST_BYTES = 100
_KEPT = frozenset(" ._-+()[]")


def file_name(name: str) -> str:
    """A name of a file in any folder: letters and digits of any language, and few signs.

    It has no separators, does not begin with a dot or end with a space, and keeps a suffix.
    """
    plain = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    safe = "".join(letter if letter.isalnum() or letter in _KEPT else "_" for letter in plain)
    path = Path(safe.strip(" .") or "recording")
    suffix = _cut(path.suffix, _MOST_BYTES // 4)
    return _cut(path.stem, _MOST_BYTES - len(suffix.encode())).rstrip(" ") + suffix


def _cut(text: str, n_bytes: int) -> str:
    """As much of a text as fits, in whole characters."""
    return text.encode()[:n_bytes].decode(errors="ignore")


def as_text(name: str) -> str:
    """The name of a file for people and JSON: bytes that are no text are replaced."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def new_id() -> str:
    """A name for an upload that nobody can guess."""
    return secrets.token_hex(8)


def path_id(path: Path) -> str:
    """The same name for a file whenever, and however, it is given."""
    return hashlib.blake2b(bytes(path.resolve()), digest_size=8).hexdigest()
