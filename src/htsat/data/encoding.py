"""A waveform as the bytes of an audio file; equal waveforms make equal bytes."""

from __future__ import annotations

import io
import zlib
from typing import Literal, NamedTuple

import numpy as np
import soundfile

from htsat.errors import ConfigError
from htsat.scores import FloatArray

Format = Literal["flac", "opus", "mp3"]


class _Codec(NamedTuple):
    """How libsndfile calls a format, and the rates it takes; the first is the usual one."""

    container: str
    subtype: str
    sample_rates: tuple[int, ...]


CODECS: dict[Format, _Codec] = {
    "flac": _Codec("FLAC", "PCM_16", ()),
    "opus": _Codec("OGG", "OPUS", (48_000, 24_000, 16_000, 12_000, 8_000)),
    "mp3": _Codec("MP3", "MPEG_LAYER_III", (32_000, 44_100, 48_000, 24_000, 22_050, 16_000)),
}
_USUAL_RATE = 32_000
_MIN_RATE, _MAX_RATE = 1_000, 655_350
"""What FLAC can say."""


def rate_for(audio_format: Format, sample_rate: int | None) -> int:
    """The sample rate to encode at; None is 32 kHz, which the paper's network hears, and 48 kHz for Opus.

    Raises:
        ConfigError: when the format has no such rate.
    """
    rates = CODECS[audio_format].sample_rates
    if sample_rate is None:
        return rates[0] if rates else _USUAL_RATE
    if rates and sample_rate not in rates:
        raise ConfigError(
            f"{audio_format} takes {', '.join(map(str, sorted(rates)))} Hz, got {sample_rate} Hz"
        )
    if not _MIN_RATE <= sample_rate <= _MAX_RATE:
        raise ConfigError(f"{audio_format} takes {_MIN_RATE} to {_MAX_RATE} Hz, got {sample_rate} Hz")
    return sample_rate


def encode(waveform: FloatArray, sample_rate: int, audio_format: Format) -> bytes:
    """A mono file: FLAC of 16 bits, Opus or MP3 at the quality that libsndfile chooses. Shape: `(L,)`."""
    container, subtype, _ = CODECS[audio_format]
    file = io.BytesIO()
    samples = _as_16_bits(waveform) if audio_format == "flac" else waveform
    with soundfile.SoundFile(file, "w", sample_rate, 1, subtype, format=container) as encoder:
        # Given minutes at once, some encoders of libsndfile overflow the stack.
        for start in range(0, len(samples), sample_rate):
            encoder.write(samples[start : start + sample_rate])
    return _with_serial_0(file.getvalue()) if container == "OGG" else file.getvalue()


def _as_16_bits(waveform: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """The integers that decode to these samples; libsndfile would scale by 32,767."""
    return np.clip(np.round(waveform * 32_768), -32_768, 32_767).astype(np.int16)


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _with_serial_0(ogg: bytes) -> bytes:
    """The same Ogg stream with the serial number 0 in place of a random one."""
    data, start = bytearray(ogg), 0
    while start < len(data):
        segments = data[start + 27 : start + 27 + data[start + 26]]
        end = start + 27 + len(segments) + sum(segments)
        data[start + 14 : start + 18] = data[start + 22 : start + 26] = bytes(4)  # serial number, checksum
        data[start + 22 : start + 26] = _ogg_checksum(bytes(data[start:end]))
        start = end
    return bytes(data)


def _ogg_checksum(page: bytes) -> bytes:
    """CRC-32 of the polynomial of zlib with all bits mirrored, begun at 0 and not inverted."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(_MIRRORED)
