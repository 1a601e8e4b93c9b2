"""Plain files, and files inside tar shards."""

from __future__ import annotations

import io
from pathlib import Path

from htsat.audio import Stretch, count_samples, read_stretch
from htsat.data.clip import Clip, Member
from htsat.data.stores.store import OpenFiles
from htsat.errors import AudioError
from htsat.scores import FloatArray


class FileStore:
    """Recordings that are files of their own."""

    def n_samples(self, clip: Clip, sample_rate: int) -> int:
        """Length as the file's header says."""
        return count_samples(clip.path, sample_rate)

    def read(self, clip: Clip, stretch: Stretch) -> FloatArray:
        """A stretch, by seeking where the format allows it."""
        return read_stretch(clip.path, stretch)

    def close(self) -> None:
        """Nothing stays open."""


class TarStore:
    """Recordings inside tar shards, read from offset and size without looking at the rest of the shard."""

    def __init__(self) -> None:
        self._shards = OpenFiles(_open_shard)

    def n_samples(self, clip: Clip, sample_rate: int) -> int:
        """Length as the header of the member says."""
        return count_samples(self._member(clip), sample_rate)

    def read(self, clip: Clip, stretch: Stretch) -> FloatArray:
        """A stretch, decoded in memory."""
        return read_stretch(self._member(clip), stretch)

    def close(self) -> None:
        """Close the shards."""
        self._shards.close()

    def _member(self, clip: Clip) -> io.BytesIO:
        if not isinstance(clip.place, Member):
            raise TypeError(f"{clip.title} is no member of a shard")
        offset, size = clip.place.offset, clip.place.size
        try:
            shard = self._shards.get(clip.path)
            shard.seek(offset)
            data = shard.read(size)
        except OSError as error:
            raise AudioError(f"{clip.title}: {error.strerror or error}") from None
        if len(data) < size:
            raise AudioError(f"{clip.title}: the shard ends {size - len(data)} bytes before the recording")
        return NamedBytes(data, clip.title)


class NamedBytes(io.BytesIO):
    """An encoded recording in memory that messages can name."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def _open_shard(path: Path) -> io.FileIO:
    return path.open("rb", buffering=0)
