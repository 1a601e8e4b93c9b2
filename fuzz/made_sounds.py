"""Sound files to begin with: small ones of every format that can be written here, and headers that lie."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import soundfile

RATE_HZ = 8000


def noise(n_samples: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Quiet noise, always the same. Shape: `(L,)`."""
    return (0.1 * np.random.default_rng(0).standard_normal(n_samples)).astype(np.float32)


def encoded(container: str, subtype: str, sample_rate: int = RATE_HZ, n_samples: int = 800) -> bytes:
    """Noise as libsndfile writes it."""
    file = io.BytesIO()
    soundfile.write(file, noise(n_samples), sample_rate, subtype, format=container)
    return file.getvalue()


def whole() -> dict[str, bytes]:
    """A sound in every format and encoding that libsndfile writes, by the names of both."""
    sounds = {}
    for container in soundfile.available_formats():
        for subtype in soundfile.available_subtypes(container):
            # RAW has no header, and SD2 leaves a file `._` in the folder where one stands.
            if container not in ("RAW", "SD2") and soundfile.check_format(container, subtype):
                with suppress(soundfile.LibsndfileError):  # some are only read
                    sounds[f"{container} {subtype}"] = encoded(container, subtype)
    return sounds


def chunk(name: bytes, content: bytes, n_bytes: int | None = None) -> bytes:
    """A part of a WAV file, which may say that it is of another size."""
    size = struct.pack("<I", len(content) if n_bytes is None else n_bytes)
    return name + size + content + bytes(len(content) % 2)


def wav(
    *, kind: int = 1, n_channels: int = 1, rate_hz: int = RATE_HZ, n_bits: int = 16, align: int | None = None
) -> bytes:
    """The part of a WAV file that says what its samples are; nothing of it needs to fit."""
    align = n_channels * n_bits // 8 & 0xFFFF if align is None else align
    bytes_per_s = rate_hz * align & 0xFFFFFFFF
    return chunk(b"fmt ", struct.pack("<HHIIHH", kind, n_channels, rate_hz, bytes_per_s, align, n_bits))


def riff(*chunks: bytes, n_bytes: int | None = None, kind: bytes = b"RIFF") -> bytes:
    """A WAV file of these parts, which may say that it is of another size."""
    body = b"WAVE" + b"".join(chunks)
    return kind + struct.pack("<I", len(body) if n_bytes is None else n_bytes) + body


SAMPLES = chunk(b"data", (noise(800) * 32_767).astype("<i2").tobytes())


def changed(content: bytes, place: int, new: bytes) -> bytes:
    """The same with some bytes replaced."""
    return content[:place] + new + content[place + len(new) :]


def lying() -> dict[str, bytes]:
    """Headers that say what is not so, by what they say."""
    huge, samples = 0xFFFFFFF0, SAMPLES[8:]
    ds64 = chunk(b"ds64", struct.pack("<QQQI", *[2**63 - 1] * 3, 0))
    flac, caf, w64 = encoded("FLAC", "PCM_16"), encoded("CAF", "PCM_16"), encoded("W64", "PCM_16")
    aiff = encoded("AIFF", "PCM_16")
    rates = {f"{rate} Hz": riff(wav(rate_hz=rate), SAMPLES) for rate in (0, 1, 99, 2**31 - 1, 2**32 - 1)}
    channels = {f"{n} channels": riff(wav(n_channels=n), SAMPLES) for n in (0, 1025, 10_000, 65_535)}
    bits = {f"{n} bits": riff(wav(n_bits=n, align=2), SAMPLES) for n in (0, 1, 7, 64, 65_535)}
    aligns = {f"blocks of {n}": riff(wav(align=n), SAMPLES) for n in (0, 1, 65_535)}
    kinds = {f"kind {n}": riff(wav(kind=n, n_bits=4, align=0), SAMPLES) for n in (2, 17, 49, 85, 65_534)}
    return {
        **rates,
        **channels,
        **bits,
        **aligns,
        **kinds,
        "4 GB": riff(wav(), chunk(b"data", samples, huge), n_bytes=huge),
        "samples before their type": riff(SAMPLES, wav()),
        "samples without a type": riff(SAMPLES),
        "a type without samples": riff(wav()),
        "marks without end": riff(wav(), chunk(b"cue ", struct.pack("<I", 2**32 - 1)), SAMPLES),
        "a part of 4 GB": riff(wav(), chunk(b"junk", b"", 2**32 - 1), SAMPLES),
        "RF64 of 2^63": riff(
            ds64, wav(), chunk(b"data", samples, 2**32 - 1), n_bytes=2**32 - 1, kind=b"RF64"
        ),
        "W64 of 2^63": changed(w64, w64.find(b"data") + 16, struct.pack("<Q", 2**63 - 1)),
        "CAF of 2^63": changed(caf, caf.find(b"data") + 4, struct.pack(">Q", 2**63 - 1)),
        "CAF of NaN Hz": changed(caf, caf.find(b"desc") + 12, struct.pack(">d", np.nan)),
        "CAF of -1 Hz": changed(caf, caf.find(b"desc") + 12, struct.pack(">d", -1)),
        "AIFF of 4 GB": changed(aiff, aiff.find(b"SSND") + 4, b"\xff" * 4),
        "AIFF of 1e9 Hz": changed(aiff, aiff.find(b"COMM") + 16, b"\x40\x1e" + b"\xff" * 8),
        "FLAC of 2^36": changed(flac, 21, bytes([flac[21] | 0x0F]) + b"\xff" * 4),
    }


def floats(value: float) -> bytes:
    """A WAV file in which all samples have one value."""
    return riff(wav(kind=3, n_bits=32), chunk(b"data", np.full(800, value, "<f4").tobytes()))


def _checksum(data: bytes, polynomial: int, n_bits: int) -> int:
    checksum = 0
    for byte in data:
        checksum ^= byte << (n_bits - 8)
        for _ in range(8):
            checksum = (checksum << 1) ^ (polynomial if checksum >> (n_bits - 1) & 1 else 0)
            checksum &= (1 << n_bits) - 1
    return checksum


def silence(duration_s: int, rate_hz: int, told_frames: int | None = None) -> bytes:
    """FLAC in which 15 bytes are 65,535 zeros; `told_frames` is what its header says instead."""
    size = 65_535
    n_blocks = -(-duration_s * rate_hz // size)
    told = n_blocks * size if told_frames is None else told_frames
    facts = rate_hz << 44 | 15 << 36 | told
    about = struct.pack(">HH", size, size) + bytes(6) + facts.to_bytes(8, "big") + bytes(16)
    blocks = [b"fLaC\x80" + len(about).to_bytes(3, "big") + about]
    for number in range(n_blocks):
        head = b"\xff\xf8\x70\x08" + chr(number + (2048 if number >= 0xD800 else 0)).encode()
        head += struct.pack(">H", size - 1)
        head += bytes([_checksum(head, 0x07, 8)])
        block = head + bytes(3)  # one constant of 16 bits
        blocks.append(block + _checksum(block, 0x8005, 16).to_bytes(2, "big"))
    return b"".join(blocks)


def granules(ogg: bytes, place: Callable[[int], int]) -> bytes:
    """An Ogg stream whose last page ends at another place than it does."""
    start = ogg.rfind(b"OggS")
    told = int.from_bytes(ogg[start + 6 : start + 14], "little", signed=True)
    page = changed(ogg[start:], 6, struct.pack("<q", place(told)))
    page = changed(page, 22, bytes(4))
    return ogg[:start] + changed(page, 22, struct.pack("<I", _checksum(page, 0x04C11DB7, 32)))
