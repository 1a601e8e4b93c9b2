"""The members of a tar file that anybody may have made: headers are read once, from the first to the last.

The standard library believes what headers say: a size below nothing leads it in circles, a large one makes it
ask for as much memory, headers about headers fill its stack, and a damaged one ends its list without a word.
Here each of them is a `DataError`. Known are ustar, the long names of GNU, and pax; other things of theirs
(links, devices, sparse files) are members that are no files.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from htsat.errors import DataError

_BLOCK = tarfile.BLOCKSIZE
_MAX_SAID_BYTES = 2**20
"""Largest header about a member: names of any length fit in."""
_LONGEST_NUMBER = 20
"""Digits of the largest number of 64 bits."""
_LONG_NAMES = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_PAX_TYPES = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
_SPARSE = "GNU.sparse"
_CUT_OFF = "unexpected end of data"


class Member(NamedTuple):
    """`size` bytes from `offset` on; `is_file` where they are the content of a file, as they are."""

    name: str
    offset: int
    size: int
    is_file: bool


def members(file: BinaryIO) -> Iterator[Member]:
    """All members of a tar file that is not compressed.

    Raises:
        DataError: with the reason, without the name of the file, when it is damaged or cut off.
    """
    n_bytes = file.seek(0, os.SEEK_END)
    if not n_bytes:
        raise DataError("empty file")
    offset = 0
    said: dict[str, str] = {}
    shared: dict[str, str] = {}
    while (header := _header(file, offset)) is not None:
        offset = _after_map(file, offset + _BLOCK, header)
        about = {**shared, **said}
        size = _size(header, {} if _is_about_others(header) else about)
        if size < 0:
            raise DataError(f"a member of {size} bytes at byte {offset}")
        if size > n_bytes - offset:
            raise DataError(_CUT_OFF)
        if not _is_about_others(header):
            yield Member(about.get("path") or header.name, offset, size, _is_file(header, about))
            said = {}
        elif header.type == tarfile.XGLTYPE:
            shared.update(_said(file, offset, size, header))
        else:
            said.update(_said(file, offset, size, header))
        offset += size + -size % _BLOCK


def _header(file: BinaryIO, offset: int) -> tarfile.TarInfo | None:
    """The header at an offset, None for the zeros that end a tar file."""
    file.seek(offset)
    block = file.read(_BLOCK)
    if len(block) < _BLOCK:
        raise DataError(_CUT_OFF)
    if not any(block):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise DataError(f"{error} at byte {offset}") from None


def _after_map(file: BinaryIO, offset: int, header: tarfile.TarInfo) -> int:
    """Where the content begins: behind the blocks that say where the holes of a sparse file of GNU are."""
    is_longer = header.type == tarfile.GNUTYPE_SPARSE and header._sparse_structs[1]  # type: ignore[attr-defined]
    while is_longer:
        file.seek(offset)
        block = file.read(_BLOCK)
        if len(block) < _BLOCK:
            raise DataError(_CUT_OFF)
        offset, is_longer = offset + _BLOCK, bool(block[504])
    return offset


def _is_about_others(header: tarfile.TarInfo) -> bool:
    return header.type in _LONG_NAMES or header.type in _PAX_TYPES


def _is_file(header: tarfile.TarInfo, about: dict[str, str]) -> bool:
    is_sparse = header.type == tarfile.GNUTYPE_SPARSE or any(key.startswith(_SPARSE) for key in about)
    return header.isreg() and not is_sparse


def _size(header: tarfile.TarInfo, about: dict[str, str]) -> int:
    """How many bytes follow a header; the sizes of links and devices mean something else."""
    has_content = header.isreg() or header.type not in tarfile.SUPPORTED_TYPES or _is_about_others(header)
    if not has_content:
        return 0
    return _number(about["size"]) if about.get("size") else header.size


def _said(file: BinaryIO, offset: int, size: int, header: tarfile.TarInfo) -> dict[str, str]:
    """What a header says about the members that follow."""
    if size > _MAX_SAID_BYTES:
        raise DataError(f"a header of {size} bytes at byte {offset}")
    file.seek(offset)
    data = file.read(size)
    if header.type in _LONG_NAMES:
        return {_LONG_NAMES[header.type]: _text(data.partition(b"\0")[0])}
    return dict(_records(data))


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    """What a pax header says that matters here: records `LENGTH KEY=VALUE`, each with its line's end."""
    at = 0
    while at < len(data) and data[at]:
        digits = data[at : at + _LONGEST_NUMBER].partition(b" ")[0]
        end = at + _number(_text(digits))
        key, equals, value = data[at + len(digits) + 1 : end - 1].partition(b"=")
        if not (key and equals) or data[end - 1 : end] != b"\n":
            raise DataError("invalid pax header")
        if key in (b"path", b"size") or key.startswith(_SPARSE.encode()):
            yield _text(key), _text(value)
        at = end


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST_NUMBER):
        raise DataError(f"expected a number in a pax header, got {digits[:_LONGEST_NUMBER]!r}")
    return int(digits)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape")
