"""One reader for the sound of all clips, wherever it lies."""

from __future__ import annotations

import math

from htsat.audio import Stretch
from htsat.data.clip import Clip, Member, Row, address_of
from htsat.data.stores.files import FileStore, TarStore
from htsat.data.stores.hdf5 import Hdf5Store
from htsat.data.stores.http import HttpStore
from htsat.data.stores.parquet import ParquetStore
from htsat.data.stores.store import Store
from htsat.errors import AudioError
from htsat.scores import FloatArray


class SoundReader:
    """Reads clips at one sample rate and keeps the files of stores open.

    It can be sent to another process and survives a fork: files are opened anew there. Not for several
    threads at once.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._files, self._shards = FileStore(), TarStore()
        self._hdf5, self._parquet = Hdf5Store(), ParquetStore()
        self._http = HttpStore()

    def n_samples(self, clip: Clip) -> int:
        """Length of the clip's stretch, from headers; decoded only where these do not tell.

        For shards and Parquet the manifest's word is taken where it has one: nothing is opened. Formats that
        only FFmpeg reads may hold up to 0.1 s more or less than their header says.

        Raises:
            AudioError: when the recording cannot be read, or ends before the clip.
            DataError: when a web server does not give it.
        """
        n_wanted = self._n_wanted(clip)
        store = self._store(clip)
        if n_wanted is not None and store in (self._shards, self._http, self._parquet):
            return n_wanted
        first = self._samples(clip.start_s)
        n_there = store.n_samples(clip, self.sample_rate) - first
        if n_there <= 0:
            raise AudioError(f"{clip.title}: ends before the clip's start at {clip.start_s:g} s")
        return n_there if n_wanted is None else min(n_wanted, n_there)

    def read(self, clip: Clip, start: int = 0, n_samples: int | None = None) -> FloatArray:
        """Mono samples of the clip's stretch from its sample `start` on. Shape: `(L,)`, L at least 1.

        Shorter than `n_samples` where the stretch or the recording ends.

        Raises:
            AudioError: naming the recording, when it cannot be read or ends before.
            DataError: naming the shard, when a web server does not give it.
        """
        n_wanted = self._n_wanted(clip)
        n_left = None if n_wanted is None else n_wanted - start
        n_samples = min((n for n in (n_left, n_samples) if n is not None), default=None)
        if n_samples is not None and n_samples <= 0:
            raise AudioError(f"{clip.title}: the clip ends before its sample {start}")
        stretch = Stretch(self.sample_rate, self._samples(clip.start_s) + start, n_samples)
        return self._store(clip).read(clip, stretch)

    def close(self) -> None:
        """Close all files; the next clip opens its own again."""
        for store in (self._files, self._shards, self._http, self._hdf5, self._parquet):
            store.close()

    def __reduce__(self) -> tuple[type[SoundReader], tuple[int]]:
        return SoundReader, (self.sample_rate,)

    def _store(self, clip: Clip) -> Store:
        if address_of(clip.path) is not None:
            return self._http
        match clip.place:
            case Member():
                return self._shards
            case Row():
                return self._parquet if clip.path.suffix.lower() == ".parquet" else self._hdf5
        return self._files

    def _n_wanted(self, clip: Clip) -> int | None:
        return None if clip.duration_s is None else max(1, self._samples(clip.duration_s))

    def _samples(self, time_s: float) -> int:
        return math.floor(time_s * self.sample_rate + 0.5)
