"""The recordings and models of `end_to_end.py`, made before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, cycle
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark_models import write_models

if TYPE_CHECKING:
    from htsat.scores import FloatArray

SAMPLE_RATE = 44_100
SHORT_S, COLD_S = 5.0, 10.0


class Codec(NamedTuple):
    """How `soundfile` calls it. Opus has no 44.1 kHz."""

    format: str
    subtype: str
    sample_rate: int = SAMPLE_RATE


CODECS = {
    "wav": Codec("WAV", "PCM_16"),
    "flac": Codec("FLAC", "PCM_16"),
    "ogg": Codec("OGG", "VORBIS"),
    "mp3": Codec("MP3", "MPEG_LAYER_III"),
    "opus": Codec("OGG", "OPUS", 48_000),
}


class Material(NamedTuple):
    """What is to be made: the long recording, so many short ones in each codec, and the models."""

    recordings: Path
    long_s: float
    n_short: int
    models: list[str]


def write_material(folder: Path, material: Material) -> None:
    """Write it all: `long.flac`, `cold.wav`, a folder for each codec, and the files of the models."""
    _write_joined(folder / "long.flac", material.recordings, material.long_s)
    _write_joined(folder / "cold.wav", material.recordings, COLD_S)
    for name in CODECS:
        _write_short(folder / name, material.recordings, name, material.n_short)
    write_models(material.models, folder)


def _write_joined(path: Path, recordings: Path, duration_s: float) -> None:
    """Recordings one after the other, from the first again if they are not enough."""
    import soundfile

    n_missing = round(duration_s * SAMPLE_RATE)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
        for sound in _sounds(recordings, SAMPLE_RATE):
            file.write(sound[:n_missing])
            n_missing -= len(sound)
            if n_missing <= 0:
                return


def _write_short(folder: Path, recordings: Path, name: str, n_short: int) -> None:
    """Short recordings that last alike."""
    import numpy as np
    import soundfile

    folder.mkdir()
    codec = CODECS[name]
    n_samples = round(SHORT_S * codec.sample_rate)
    for number, sound in zip(range(n_short), _sounds(recordings, codec.sample_rate), strict=False):
        path = folder / f"{number}.{name}"
        waveform = np.resize(sound, n_samples)
        soundfile.write(path, waveform, codec.sample_rate, format=codec.format, subtype=codec.subtype)


def _sounds(recordings: Path, sample_rate: int) -> Iterator[FloatArray]:
    """The recordings of a folder, over and over."""
    from htsat.audio import load_audio

    paths = sorted(chain.from_iterable(recordings.glob(f"*.{suffix}") for suffix in CODECS))
    if not paths:
        raise SystemExit(f"{recordings}: no recordings there ({', '.join(CODECS)})")
    return (load_audio(path, sample_rate) for path in cycle(paths))
