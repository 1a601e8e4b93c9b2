"""What an ONNX file must not hold: references to other files, or to places in memory.

Ours hold all their weights. A file of somebody else could name files of this machine, which not every version
of every runtime refuses to read, or an address, on which one of them ends the process. So a file is looked
through before a runtime sees it. It is a protocol buffer: numbered fields, some of which are messages again.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from htsat.errors import CheckpointError

_MOST_LEVELS = 64
_ELSEWHERE = (13, 14)
"""Fields of a tensor that say where else its values are; ours have neither."""

_MESSAGES: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "tensor": {},
}
"""For each kind of message the fields that may hold tensors, and of which kind they are."""

_MOST_VARINT_BYTES = 10


class _Field(NamedTuple):
    """A field of a message: its number, and where its content begins and stops."""

    number: int
    begin: int
    stop: int


def require_own_weights(path: Path) -> None:
    """Refuse an ONNX file whose tensors lie anywhere else.

    Raises:
        CheckpointError: when they do, or the file is no ONNX file.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            is_whole = _is_whole(content, "model", _Field(0, 0, len(content)), 0)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: htsat cannot read it: {error}") from None
    if not is_whole:
        raise CheckpointError(f"{path}: refused: it says that its weights lie outside of it")


def _is_whole(content: mmap.mmap, kind: str, message: _Field, level: int) -> bool:
    if level > _MOST_LEVELS:
        raise ValueError("it has messages in messages without end")
    inner = _MESSAGES[kind]
    for field in _fields(content, message):
        if kind == "tensor" and field.number in _ELSEWHERE:
            return False
        if field.number in inner and not _is_whole(content, inner[field.number], field, level + 1):
            return False
    return True


def _fields(content: mmap.mmap, message: _Field) -> Iterator[_Field]:
    at = message.begin
    while at < message.stop:
        key, at = _varint(content, at)
        match key & 7:
            case 0:
                begin, (_, at) = at, _varint(content, at)
            case 1:
                begin, at = at, at + 8
            case 2:
                length, begin = _varint(content, at)
                at = begin + length
            case 5:
                begin, at = at, at + 4
            case kind:
                raise ValueError(f"a field is of kind {kind}")
        if at > message.stop:
            raise ValueError("a field is longer than what it stands in")
        yield _Field(key >> 3, begin, at)


def _varint(content: mmap.mmap, at: int) -> tuple[int, int]:
    """A number of seven bits in each byte, and where it stops."""
    value = 0
    for place, byte in enumerate(content[at : at + _MOST_VARINT_BYTES]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("a number has no end")
