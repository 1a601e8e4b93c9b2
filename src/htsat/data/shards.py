"""Tar shards in the layout of WebDataset: the files of one sample follow each other and share a key.

The key is the name up to the first dot of its last part: `000000012.flac` and `000000012.json` belong
together.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from htsat.errors import DataError
from htsat.tar_members import members

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)

Files = dict[str, bytes]
"""Content of the files of a sample by suffix, without the first dot."""


class ShardWriter:
    """Writes samples one after the other; equal samples make equal bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.n_bytes = len(_END)
        """Size of the shard if it ended now."""

    @staticmethod
    def size_of(files: Files) -> int:
        """By how many bytes a sample makes the shard larger."""
        return sum(_BLOCK + len(data) + -len(data) % _BLOCK for data in files.values())

    def add(self, key: str, files: Files) -> dict[str, int]:
        """Write a sample; returns the offset of the content of each file."""
        offsets = {}
        for suffix, data in files.items():
            head = tarfile.TarInfo(f"{key}.{suffix}")
            head.size = len(data)
            self._file.write(head.tobuf(tarfile.USTAR_FORMAT))
            offsets[suffix] = self._file.tell()
            self._file.write(data + bytes(-len(data) % _BLOCK))
        self.n_bytes += self.size_of(files)
        return offsets

    def end(self) -> None:
        """Write what a tar file ends with."""
        self._file.write(_END)


def iterate_shard(path: Path) -> Iterator[tuple[str, Files]]:
    """Key and files of each sample in the order of the shard, without an index.

    Files without a suffix are passed over, as WebDataset does, and so are links and devices.

    Raises:
        DataError: when the shard cannot be read, or is cut off.
    """
    try:
        with path.open("rb") as shard:
            for key, group in groupby(_files(shard), key=itemgetter(0)):
                yield key, {suffix: data for _, suffix, data in group}
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except DataError as error:
        raise DataError(f"{path}: cannot be read as a tar shard ({error})") from None


def _files(shard: BinaryIO) -> Iterator[tuple[str, str, bytes]]:
    for member in members(shard):
        folder, slash, name = member.name.rpartition("/")
        stem, dot, suffix = name.partition(".")
        if member.is_file and stem and dot:
            shard.seek(member.offset)
            yield folder + slash + stem, suffix.lower(), shard.read(member.size)
