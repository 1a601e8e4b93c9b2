"""A small spectrogram as a PNG, written without another library."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from htsat.pictures.lanes import Loudness
from htsat.pictures.spectrogram import log_mel
from htsat.scores import FloatArray

WIDTH, HEIGHT = 280, 72

_ANCHORS = "000004 1c1044 4f127b 812581 b5367a e55964 fb8761 fec287 fcfdbf"
"""Colours from silence to loud, evenly spaced."""


def thumbnail(waveform: FloatArray, sample_rate: int) -> bytes:
    """The spectrogram of a short waveform `(L,)`, 280 by 72 points."""
    sound = log_mel(waveform, sample_rate, n_mels=HEIGHT)
    loudness = Loudness.of(sound)
    share = (sound.decibels - loudness.darkest_db) / (loudness.brightest_db - loudness.darkest_db)
    columns = (np.arange(WIDTH) * share.shape[1] / WIDTH).astype(np.intp)
    points = np.clip(255 * share, 0, 255).astype(np.uint8)[::-1, columns]
    return _png(points, _palette())


def _palette() -> NDArray[np.uint8]:
    """256 colours `(256, 3)`."""
    anchors = np.array([list(bytes.fromhex(colour)) for colour in _ANCHORS.split()], float)
    places = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(places, range(len(anchors)), channel) for channel in anchors.T]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def _png(points: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """Points `(height, width)` that are numbers of colours."""
    height, width = points.shape
    lines = np.pad(points, ((0, 0), (1, 0)))  # each line begins with the filter that is not used
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(*part)
        for part in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", palette.tobytes()),
            (b"IDAT", zlib.compress(lines.tobytes(), 9)),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
