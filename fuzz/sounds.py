"""Recordings as files and in memory, HDF5 and Parquet with sound: `python fuzz/sounds.py -max_total_time=60`.

Only what is ours is guided by coverage: libsndfile, FFmpeg, HDF5 and Arrow are native code that is fed with
the same inputs.
"""

from __future__ import annotations

import io
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["htsat.audio", "htsat.data.stores"]):
    import htsat.audio.ffmpeg
    from htsat.audio import PcmFormat, Stretch, count_samples, open_audio, pcm_blocks, read_stretch
    from htsat.data.stores import SoundReader

import h5py
import made_sounds
import numpy as np
import pyarrow as pa
from harness import fuzz
from pyarrow import parquet

from htsat.data.clip import Clip, Row

RATE_HZ = 32_000
LONGEST_S = 60
"""What is heard of an input: a few bytes hold hours."""


def heard(path: Path) -> None:
    """As `htsat detect` hears it."""
    n_samples = 0
    with open_audio(path, RATE_HZ) as audio:
        for block in audio.blocks():
            n_samples += len(block)
            assert np.isfinite(block).all()
            if n_samples > LONGEST_S * RATE_HZ:
                return


def stretches(path: Path) -> None:
    """As training reads it: from the middle, from the end and from behind it."""
    n_samples = min(count_samples(path, RATE_HZ), LONGEST_S * RATE_HZ)
    for start in (0, n_samples // 2, n_samples - 100, n_samples + 9000, 2**40):
        cut = read_stretch(path, Stretch(RATE_HZ, max(0, start), 3200))
        assert 0 < len(cut) <= 3200
        assert np.isfinite(cut).all()


def in_memory(path: Path) -> None:
    """As a member of a shard."""
    source = io.BytesIO(path.read_bytes())
    count_samples(source, RATE_HZ)
    read_stretch(source, Stretch(RATE_HZ, 1600, 3200))


def bare(path: Path) -> None:
    """As samples without a header."""
    with path.open("rb") as stream:
        for block in pcm_blocks(stream, PcmFormat(8000, 2, "f32le"), RATE_HZ):
            assert np.isfinite(block).all()


def row(path: Path) -> None:
    """As a row of a store."""
    reader = SoundReader(RATE_HZ)
    clip = Clip(path=path, labels=(), place=Row(1))
    try:
        reader.n_samples(clip)
        assert np.isfinite(reader.read(clip, 100, 3200)).all()
    finally:
        reader.close()


def _hdf5() -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["waveform"] = np.full((2, 400), 1000, np.int16)
        file["waveform"].attrs["sample_rate"] = 8000
    return content.getvalue()


def _parquet(compression: str) -> bytes:
    content = io.BytesIO()
    sound = made_sounds.encoded("FLAC", "PCM_16", n_samples=100)
    table = pa.table({"audio": [{"bytes": sound, "path": "a"}] * 3})
    parquet.write_table(table, content, compression=compression)
    return content.getvalue()


if __name__ == "__main__":
    assert htsat.audio.ffmpeg
    readers = {
        "heard": heard,
        "stretches": stretches,
        "memory": in_memory,
        "bare": bare,
        "row.h5": row,
        "row.parquet": row,
    }
    sounds = made_sounds.whole() | made_sounds.lying() | {"nan": made_sounds.floats(np.nan)}
    seeds = {f"{reader} {name}": sound for name, sound in sounds.items() for reader in list(readers)[:3]}
    seeds |= {"bare": made_sounds.noise(400).tobytes(), "row.h5": _hdf5()}
    seeds |= {f"row.parquet {name}": _parquet(name) for name in ("none", "snappy", "zstd")}
    fuzz(readers, seeds)
