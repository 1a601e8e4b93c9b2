"""Tar shards as inputs: every audio member is a recording, read where it lies in the shard.

Nothing is unpacked, so no name of a member becomes a path. Links, devices and folders are passed over.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from htsat.audio import SUFFIXES
from htsat.errors import AudioError, DataError

SUFFIX = ".tar"


class TarMember(NamedTuple):
    """A recording in a shard: `size` bytes from `offset` on; `changed` is when the shard changed last."""

    shard: Path
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
        return io.BufferedReader(_Stretch(self.shard, self.offset, self.size))


class _Stretch(io.RawIOBase):
    """Some bytes of a file, as a file."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
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


def members_of(shard: Path) -> Iterator[TarMember]:
    """The recordings in a shard in its order; only the headers are read.

    Raises:
        DataError: when the shard cannot be read, is cut off, or holds no recording.
    """
    is_empty = True
    try:
        changed = str(shard.stat().st_mtime_ns)
        with tarfile.open(shard, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # tarfile keeps all it has seen
                if _is_recording(member):
                    is_empty = False
                    yield TarMember(shard, member.name, member.offset_data, member.size, changed)
    except OSError as error:
        raise DataError(f"{shard}: {error.strerror or error}") from None
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise DataError(f"{shard}: cannot be read as a tar shard ({error})") from None
    if is_empty:
        raise DataError(f"{shard}: no audio files found")


def _is_recording(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    is_hidden = any(part.startswith(".") and part != ".." for part in path.parts)
    is_whole = member.isreg() and not member.issparse() and "\0" not in member.name
    return is_whole and not is_hidden and path.suffix.lower() in SUFFIXES
