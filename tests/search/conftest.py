"""Indexes of random vectors: a few recordings of some moments each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from htsat.formats.embeddings import FORMATS, EmbeddedRecording, Origin

DIM = 12
ORIGIN = Origin("some-model", "ab" * 32, "clip", 2.0, 0.5, (1.0,) * DIM, "0.1.0")

Recordings = list[EmbeddedRecording]


@pytest.fixture
def recordings() -> Recordings:
    """Forty recordings of one to nine moments, a second apart."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 10, 40)
    return [
        EmbeddedRecording(
            f"folder {number}/ü, {number}.wav",
            rng.standard_normal((size, DIM)).astype(np.float32),
            np.arange(size, dtype=np.float64),
        )
        for number, size in enumerate(sizes)
    ]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writer of recordings to a file below the test's folder."""

    def to_file(recordings: Recordings, name: str = "index.parquet", origin: Origin = ORIGIN) -> Path:
        path = tmp_path / name
        with FORMATS[path.suffix](path, origin) as write_one:
            for recording in recordings:
                write_one(recording)
        return path

    return to_file
