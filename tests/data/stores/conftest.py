"""A recording, and the ways in which it can be stored."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from htsat.scores import FloatArray

RATE = 44_100
DURATION_S = 3.0


@pytest.fixture(scope="session")
def sweep() -> FloatArray:
    """A rising tone with noise, so that no two places sound alike. Shape: `(L,)` at 44.1 kHz."""
    time_s = np.arange(round(RATE * DURATION_S)) / RATE
    noise = np.random.default_rng(0).standard_normal(len(time_s))
    return (0.3 * np.sin(2 * np.pi * (300 + 700 * time_s) * time_s) + 0.05 * noise).astype(np.float32)


def encoded(waveform: FloatArray, rate: int, container: str = "FLAC", subtype: str | None = None) -> bytes:
    """A file in memory."""
    file = io.BytesIO()
    soundfile.write(file, waveform, rate, format=container, subtype=subtype)
    return file.getvalue()
