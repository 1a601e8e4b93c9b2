"""Random changes of a waveform that leave what is heard in it the same.

Every function takes its own generator, so that a clip's changes depend on nothing but the seed, the epoch and
the clip. L samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from htsat.scores import FloatArray

Generator = np.random.Generator


@dataclass(frozen=True, kw_only=True)
class WaveformAugmentation:
    """How strongly waveforms are changed; zero switches a change off."""

    speed: float = 1.25
    """Largest factor by which a clip is played faster or slower (pitch goes along); 1 is off."""
    time_roll: bool = True
    """Rotate the clip in time by a random amount."""
    gain_db: float = 6.0
    """Largest change of loudness."""
    noise_probability: float = 0.25
    """Share of clips that get white noise, 15 to 45 dB below the clip."""

    def __call__(self, waveform: FloatArray, n_samples: int, rng: Generator) -> FloatArray:
        """Change a recording and fit it to `n_samples`. Shape: `(L,)` -> `(n_samples,)`."""
        waveform = change_speed(waveform, self.speed, rng)
        waveform = random_crop(waveform, n_samples, rng)
        if self.time_roll:
            waveform = np.roll(waveform, rng.integers(n_samples))
        if rng.random() < self.noise_probability:
            waveform = add_noise(waveform, rng)
        gain = 10.0 ** (rng.uniform(-self.gain_db, self.gain_db) / 20.0)
        changed: FloatArray = (gain * waveform).astype(np.float32)
        return changed


def change_speed(waveform: FloatArray, largest: float, rng: Generator) -> FloatArray:
    """Play at a speed drawn log-uniformly from `1 / largest` to `largest`."""
    if largest == 1.0:
        return waveform
    speed = largest ** rng.uniform(-1.0, 1.0)
    changed: FloatArray = soxr.resample(waveform, speed, 1.0, quality="LQ")
    return changed


def random_crop(waveform: FloatArray, n_samples: int, rng: Generator) -> FloatArray:
    """A random stretch of `n_samples`; what is shorter is repeated first."""
    waveform = repeat_to(waveform, n_samples)
    start = rng.integers(len(waveform) - n_samples + 1)
    return waveform[start : start + n_samples]


def middle_crop(waveform: FloatArray, n_samples: int) -> FloatArray:
    """The middle `n_samples`; what is shorter is repeated first. For evaluation: nothing is random."""
    waveform = repeat_to(waveform, n_samples)
    start = (len(waveform) - n_samples) // 2
    return waveform[start : start + n_samples]


def repeat_to(waveform: FloatArray, n_samples: int) -> FloatArray:
    """Repeat a waveform until it has at least `n_samples`; only what is needed of the last copy is kept."""
    if len(waveform) >= n_samples:
        return waveform
    return np.resize(waveform, n_samples)


def add_noise(waveform: FloatArray, rng: Generator) -> FloatArray:
    """Add white noise at a random distance of 15 to 45 dB below the clip's own power."""
    power = float(np.mean(np.square(waveform)))
    level = np.sqrt(power * 10.0 ** (-rng.uniform(15.0, 45.0) / 10.0))
    noisy: FloatArray = waveform + level * rng.standard_normal(len(waveform), dtype=np.float32)
    return noisy
