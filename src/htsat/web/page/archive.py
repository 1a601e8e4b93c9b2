"""Reviewed recordings with their labels as a zip file that is made while it is sent."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from htsat.web.page.labels import label_path
from htsat.web.page.names import as_text
from htsat.web.page.recording import Place

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_CHUNK_BYTES = 2**20
_MISSING = "not-there.log"


class _Outlet(io.RawIOBase):
    """Where a zip file is written to that nobody can seek in; gives on what has come."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def archive_of(places: Iterable[Place]) -> Iterator[bytes]:
    """The pieces of a zip file with recordings and the label files beside them; about a MiB is in memory.

    Recordings that are not there, or that have no label file, are listed in `not-there.log`.
    """
    outlet = _Outlet()
    missing: list[str] = []
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:
        for place in places:
            labels = label_path(place.path)
            if labels is None or not place.path.is_file():
                missing.append(place.name)
                continue
            yield from _packed(archive, outlet, place.path, place.packed)
            yield from _packed(archive, outlet, labels, place.packed.with_name(labels.name))
        if missing:
            archive.writestr(_MISSING, "".join(f"{name}\n" for name in missing).encode(errors="replace"))
    yield outlet.taken()


def _packed(archive: zipfile.ZipFile, outlet: _Outlet, path: Path, name: PurePath) -> Iterator[bytes]:
    with path.open("rb") as file, archive.open(_entry(path, name), "w", force_zip64=True) as packed:
        while chunk := file.read(_CHUNK_BYTES):
            packed.write(chunk)
            yield outlet.taken()


def _entry(path: Path, name: PurePath) -> zipfile.ZipInfo:
    """A name that every program can read, and a time that zip files know."""
    modified = time.localtime(path.stat().st_mtime)[:6]
    modified = min(max(modified, (1980, 1, 1, 0, 0, 0)), (2107, 12, 31, 23, 59, 58))
    return zipfile.ZipInfo(as_text(name.as_posix()), modified)
