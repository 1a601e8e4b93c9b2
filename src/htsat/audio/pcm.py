"""Bare samples without a header (raw PCM) from a pipe, as mono blocks the moment they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any

import numpy as np

from htsat.audio.blocks import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, mix_down, resampled_blocks
from htsat.audio.stream import MAX_CHANNELS, about, name_of
from htsat.errors import AudioError, ConfigError
from htsat.scores import FloatArray

ENCODINGS: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
"""Types of samples, by their names in FFmpeg."""

_READ_BYTES = 1 << 16
_FILES = {b"RIFF": "a WAV file", b"fLaC": "a FLAC file", b"OggS": "an Ogg file"}
"""How files begin that are sent by mistake: heard as samples they would be noise."""


@dataclass(frozen=True)
class PcmFormat:
    """What bare samples do not tell themselves; channels are interleaved.

    Raises:
        ConfigError: when a value is out of range.
    """

    sample_rate: int
    n_channels: int = 1
    encoding: str = "s16le"

    def __post_init__(self) -> None:
        if not MIN_SAMPLE_RATE <= self.sample_rate <= MAX_SAMPLE_RATE:
            span = f"{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
            raise ConfigError(f"expected a sample rate of {span}, got {self.sample_rate}")
        if not 1 <= self.n_channels <= MAX_CHANNELS:
            raise ConfigError(f"expected 1 to {MAX_CHANNELS} channels, got {self.n_channels}")
        if self.encoding not in ENCODINGS:
            raise ConfigError(f"expected an encoding of {', '.join(ENCODINGS)}, got {self.encoding!r}")


def pcm_blocks(stream: BufferedIOBase, pcm: PcmFormat, sample_rate: int) -> Iterator[FloatArray]:
    """Mono blocks at `sample_rate`, each of what was there when it was asked for.

    Nothing is read ahead: whoever writes into the pipe waits until it is read. Where the stream ends within
    a sample, that sample is left out.

    Raises:
        AudioError: when samples are not finite, when there are none, or when the stream is a whole file.
    """
    with about(name_of(stream)):
        yield from resampled_blocks(_mono(stream, pcm), pcm.sample_rate, sample_rate)


def _mono(stream: BufferedIOBase, pcm: PcmFormat) -> Iterator[FloatArray]:
    dtype = ENCODINGS[pcm.encoding]
    sample_bytes = dtype.itemsize * pcm.n_channels
    rest = stream.read1(_READ_BYTES)
    _refuse_files(rest)
    while rest:
        n_whole = len(rest) // sample_bytes
        if n_whole:
            samples = np.frombuffer(rest, dtype, n_whole * pcm.n_channels)
            yield mix_down(samples.reshape(n_whole, pcm.n_channels).T)
        more = stream.read1(_READ_BYTES)
        rest = rest[n_whole * sample_bytes :] + more if more else b""


def _refuse_files(beginning: bytes) -> None:
    kind = _FILES.get(beginning[:4])
    if kind:
        raise AudioError(f"is {kind}, expected bare samples; htsat detect reads files")
