"""Small recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

WriteSound = Callable[..., Path]


@pytest.fixture
def write_sound() -> WriteSound:
    """Writes noise to a file, by seed; the folders above it are made."""

    def write(
        path: Path, seed: int = 0, *, n_samples: int = 800, rate: int = 8_000, gain: float = 0.1
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).uniform(-1, 1, n_samples)
        samples = np.clip(32_768 * gain * noise, -32_768, 32_767).astype(np.int16)
        soundfile.write(path, samples, rate)
        return path

    return write
