"""Random changes of a waveform that leave what is heard in it the same.

Everything random is drawn from a generator that is passed in, so that a clip's changes depend on nothing but
its seed. L samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import soxr

from htsat.errors import ConfigError
from htsat.scores import FloatArray

Generator = np.random.Generator
FilterShape = Literal["linear", "step"]

_SILENT_POWER = 1e-12
"""Mean square of a recording that counts as silent: 120 dB below full scale."""
_N_OCTAVES = 8
"""Octaves below the highest frequency that a filter divides into bands."""
_MIN_BAND_OCTAVES = 0.5


class CropPlan(NamedTuple):
    """What a training clip needs of its recording, drawn before anything is read."""

    n_samples: int
    """Length of the stretch of the recording, before the change of speed."""
    speed: float
    """How much faster it is played."""
    snr_db: float | None = None
    """Distance of the background noise that is mixed in below the clip; none is no noise."""


class ChangedStretch(NamedTuple):
    """A clip made of a stretch of a recording, and what became of time in it.

    Shape: `waveform` `(clip_samples,)`. It repeats the stretch, of which the change of speed left `n_played`
    samples, and is rotated by `roll` samples.
    """

    waveform: FloatArray
    n_played: int
    roll: int


@dataclass(frozen=True, kw_only=True)
class WaveformAugmentation:
    """How strongly waveforms are changed; zero switches a change off."""

    speed: float = 1.25
    """Largest factor by which a clip is played faster or slower (pitch goes along); 1 is off."""
    short_probability: float = 0.0
    """Share of clips of which only a shorter stretch is heard, repeated as short recordings are."""
    min_length_s: float = 1.0
    """Length of the shortest of these stretches; the longest is the clip."""
    time_roll: bool = True
    """Rotate the clip in time by a random amount."""
    noise_data: str | None = None
    """Recordings of background noise to be mixed in: a manifest, or a folder."""
    mix_probability: float = 0.5
    """Share of clips that get background noise, where there is `noise_data`."""
    mix_snr_db: tuple[float, float] = (0.0, 30.0)
    """How far the background noise lies below the clip: at least, at most."""
    filter_db: float = 0.0
    """Largest gain or loss in a band of frequencies; the bands are drawn for every clip."""
    filter_shape: FilterShape = "linear"
    """The gain over frequency is a line from band to band, or steps."""
    noise_probability: float = 0.25
    """Share of clips that get white noise, 15 to 45 dB below the clip."""
    gain_db: float = 6.0
    """Largest change of loudness."""

    def __post_init__(self) -> None:
        for name in ("short_probability", "mix_probability", "noise_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"augmentation.{name} must lie in [0, 1], got {getattr(self, name)}")
        for name in ("filter_db", "gain_db"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"augmentation.{name} must not be negative, got {getattr(self, name)}")
        if not self.speed >= 1:
            raise ConfigError(f"augmentation.speed must be at least 1, got {self.speed}")
        if not self.min_length_s > 0:
            raise ConfigError(f"augmentation.min_length_s must be positive, got {self.min_length_s}")
        if not self.mix_snr_db[0] <= self.mix_snr_db[1]:
            raise ConfigError(f"augmentation.mix_snr_db must rise, got {self.mix_snr_db}")

    def plan(self, clip_samples: int, sample_rate: int, rng: Generator) -> CropPlan:
        """Draw how much of a recording is heard, and how fast.

        The speed is drawn log-uniformly from `1 / speed` to `speed`.
        """
        speed = self.speed ** rng.uniform(-1.0, 1.0)
        n_heard = clip_samples
        if rng.random() < self.short_probability:
            shortest = min(clip_samples, math.ceil(self.min_length_s * sample_rate))
            n_heard = int(rng.integers(shortest, clip_samples + 1))
        snr_db = None
        if self.noise_data is not None and rng.random() < self.mix_probability:
            snr_db = rng.uniform(*self.mix_snr_db)
        return CropPlan(math.ceil(n_heard * speed), speed, snr_db)

    def apply(
        self,
        waveform: FloatArray,
        plan: CropPlan,
        clip_samples: int,
        rng: Generator,
        noise: FloatArray | None = None,
    ) -> ChangedStretch:
        """Make a clip of a stretch of a recording.

        Args:
            waveform: `(L,)`, the `plan.n_samples` of the recording, or all of one that is shorter.
            plan: drawn by `plan`.
            clip_samples: Length of the clip.
            rng: All else is drawn from it.
            noise: background noise of any length, needed where the plan says so.
        """
        played = change_speed(waveform, plan.speed)
        waveform = repeat_to(played, clip_samples)[:clip_samples]
        roll = int(rng.integers(clip_samples)) if self.time_roll else 0
        if roll:
            waveform = np.roll(waveform, roll)
        if noise is not None and plan.snr_db is not None:
            waveform = mix_noise(waveform, noise, plan.snr_db)
        if self.filter_db:
            waveform = filter_bands(waveform, self.filter_db, self.filter_shape, rng)
        if rng.random() < self.noise_probability:
            waveform = add_white_noise(waveform, rng)
        waveform = amplify(waveform, rng.uniform(-self.gain_db, self.gain_db))
        return ChangedStretch(waveform, len(played), roll)


def change_speed(waveform: FloatArray, speed: float) -> FloatArray:
    """Play faster by a factor. Shape: `(L,)` -> `(L / speed,)`."""
    if speed == 1.0:
        return waveform
    changed: FloatArray = soxr.resample(waveform, speed, 1.0, quality="LQ")
    return changed


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


def amplify(waveform: FloatArray, gain_db: float) -> FloatArray:
    """Make louder."""
    louder: FloatArray = (10.0 ** (gain_db / 20.0) * waveform).astype(np.float32)
    return louder


def mix_noise(waveform: FloatArray, noise: FloatArray, snr_db: float) -> FloatArray:
    """Add background noise whose mean power lies `snr_db` below that of the waveform.

    Noise of another length is repeated or cut. Where either is silent nothing is added, because no loudness
    would be right.
    """
    noise = repeat_to(noise, len(waveform))[: len(waveform)]
    powers = _power(waveform), _power(noise)
    if min(powers) < _SILENT_POWER:
        return waveform
    return waveform + amplify(noise, 10.0 * math.log10(powers[0] / powers[1]) - snr_db)


def add_white_noise(waveform: FloatArray, rng: Generator) -> FloatArray:
    """Add white noise at a random distance of 15 to 45 dB below the clip's own power."""
    level = math.sqrt(_power(waveform)) * 10.0 ** (-rng.uniform(15.0, 45.0) / 20.0)
    noisy: FloatArray = waveform + level * rng.standard_normal(len(waveform), dtype=np.float32)
    return noisy


def _power(waveform: FloatArray) -> float:
    return float(np.mean(np.square(waveform), dtype=np.float64))


def filter_bands(waveform: FloatArray, largest_db: float, shape: FilterShape, rng: Generator) -> FloatArray:
    """Amplify and weaken random bands of frequencies (Nam et al., ICASSP 2022: FilterAugment).

    There the gains apply to the log-mel, here to the spectrum of the waveform. The phase stays, and the clip
    counts as periodic.
    """
    n_samples = len(waveform)
    gains_db = band_gains_db(n_samples // 2 + 1, largest_db, shape, rng)
    spectrum = np.fft.rfft(waveform) * 10.0 ** (gains_db / 20.0)
    return np.fft.irfft(spectrum, n_samples).astype(np.float32)


def band_gains_db(n_bins: int, largest_db: float, shape: FilterShape, rng: Generator) -> FloatArray:
    """A random gain for every frequency from 0 to the highest: 3 to 6 bands of at least half an octave.

    What lies below the eight highest octaves has the gain of their lower end. Shape: `(n_bins,)`.
    """
    octave = _N_OCTAVES + np.log2(np.maximum(np.linspace(0.0, 1.0, n_bins), 2.0**-_N_OCTAVES))
    n_bands = int(rng.integers(3, 7))
    spare = np.sort(rng.uniform(0.0, _N_OCTAVES - n_bands * _MIN_BAND_OCTAVES, n_bands - 1))
    borders = spare + _MIN_BAND_OCTAVES * np.arange(1, n_bands)
    if shape == "step":
        steps_db = rng.uniform(-largest_db, largest_db, n_bands)
        gains_db = steps_db[np.searchsorted(borders, octave, side="right")]
    else:
        corners_db = rng.uniform(-largest_db, largest_db, n_bands + 1)
        gains_db = np.interp(octave, np.concatenate(([0.0], borders, [_N_OCTAVES])), corners_db)
    return gains_db.astype(np.float32)
