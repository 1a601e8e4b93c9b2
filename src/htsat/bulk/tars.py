"""Tar shards as inputs: every audio member is a recording, read where it lies in the shard.

Nothing is unpacked, so no name of a member becomes a path. Links, devices and folders are passed over. Of a
shard in an object store no more is fetched than what is read.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from htsat.audio import SUFFIXES
from htsat.bulk.remote import RemoteFile
from htsat.errors import AudioError, DataError
from htsat.tar_members import Member, members

SUFFIX = ".tar"
_BYTES_AROUND_HEADER = 2**16
"""Fetched with each header: small members come with it, of large ones little is fetched in vain."""


class TarMember(NamedTuple):
    """A recording in a shard: `size` bytes from `offset` on; `changed` is when the shard changed last."""

    shard: Path | RemoteFile
    member: str
    offset: int
    size: int
    changed: str

    @property
    def name(self) -> str:
        """The member below its shard, as if that were a folder."""
        return f"{self.shard}/{self.member}"

    def open(self) -> BinaryIO:
        """The bytes of the member; any number of threads can read members of a shard."""
        shard = self.shard
        file = shard.open("rb", buffering=0) if isinstance(shard, Path) else shard.exact()
        return io.BufferedReader(_Stretch(file, self.offset, self.size))


class _Stretch(io.RawIOBase):
    """Some bytes of a file, as a file."""

    def __init__(self, file: io.RawIOBase, offset: int, size: int) -> None:
        self._file = file
        self._file.seek(offset)
        self._n_left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._n_left))
        if not data and self._n_left and len(buffer):
            raise AudioError("is cut off: the shard ends before it")
        buffer[: len(data)] = data
        self._n_left -= len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def members_of(shard: Path | RemoteFile) -> Iterator[TarMember]:
    """The recordings in a shard in its order; only the headers are read.

    Raises:
        DataError: when the shard cannot be read, is cut off, or holds no recording.
    """
    is_empty = True
    try:
        with _for_headers(shard) as file:
            changed = str(os.fstat(file.fileno()).st_mtime_ns) if isinstance(shard, Path) else shard.changed
            for member in members(file):
                if _is_recording(member):
                    is_empty = False
                    yield TarMember(shard, member.name, member.offset, member.size, changed)
    except OSError as error:
        raise DataError(f"{shard}: {error.strerror or error}") from None
    except DataError as error:
        raise DataError(f"{shard}: cannot be read as a tar shard ({error})") from None
    if is_empty:
        raise DataError(f"{shard}: no audio files found")


def _for_headers(shard: Path | RemoteFile) -> BinaryIO:
    return shard.open("rb") if isinstance(shard, Path) else shard.scattered(_BYTES_AROUND_HEADER)


def _is_recording(member: Member) -> bool:
    path = PurePosixPath(member.name)
    is_hidden = any(part.startswith(".") and part != ".." for part in path.parts)
    is_nameable = "\0" not in member.name
    return member.is_file and is_nameable and not is_hidden and path.suffix.lower() in SUFFIXES
