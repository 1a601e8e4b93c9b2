"""Where in a clip something is heard: stretches of energy between silences.

Clips of one sound are often padded with silence, and the sound may come several times. Power is measured in
blocks of 1 ms; a stretch begins and ends with a block that is loud enough by itself.

N samples, P blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.data.clip import Clip
from htsat.data.stores import SoundReader
from htsat.errors import ConfigError
from htsat.scores import FloatArray

_BLOCKS_PER_S = 1000
_SMOOTHED_BLOCKS = 20
"""Power is averaged over so many blocks: the periods of a low tone are not apart."""
_LOUDEST_BLOCKS = 50
"""The loudest place of a clip is that of so many blocks, so that a single click does not count."""
_HYSTERESIS = 10 ** (6 / 10)
"""A stretch holds a place so much louder than its edges."""
_ABOVE_FLOOR = 10 ** (6 / 10)
"""What is heard is so much louder than the constant noise of the clip."""
_STATIONARY = 10 ** (-12 / 10)
"""Whatever comes so near to the loudest place belongs to the sound, be it as constant as rain."""
_FLOOR_PERCENTILE = 10
_SILENCE = 1e-9
"""Power (of full scale 1) below which there is no sound: -90 dB, the step of 16 bits."""
_SHORTEST_BACKGROUND_S = 1.0
"""A shorter one, repeated, would become a tone."""
_READ_S = 60

Powers = NDArray[np.float64]
"""Mean power of every block, `(P,)`."""


@dataclass(frozen=True)
class Activity:
    """What counts as sound.

    Raises:
        ConfigError: when a value is out of range.
    """

    threshold_db: float = 25.0
    """Sound is at most so far below the loudest place of its clip."""
    gap_s: float = 0.5
    """Longer silences part a clip into several sounds."""
    shortest_s: float = 0.1
    """Shorter sounds are passed over."""

    def __post_init__(self) -> None:
        if not 12 <= self.threshold_db <= 90:
            raise ConfigError(f"the threshold must be 12 to 90 dB, got {self.threshold_db:g}")
        if self.gap_s < 0 or self.shortest_s <= 0:
            raise ConfigError(
                f"gap must be at least 0 s and shortest above 0 s, got {self.gap_s:g} and {self.shortest_s:g}"
            )


class Samples(NamedTuple):
    """A stretch in samples from the start of a clip, or in blocks."""

    start: int
    stop: int


Active = tuple[Samples, ...]
"""The loud parts of a sound, with short silences between them."""


def block_powers(reader: SoundReader, clip: Clip) -> Powers:
    """The power of a clip, block by block; long clips are read in parts.

    Raises:
        AudioError: when the clip cannot be read.
    """
    n_samples, size = reader.n_samples(clip), block_size(reader.sample_rate)
    step = size * _BLOCKS_PER_S * _READ_S
    parts = [_powers(reader.read(clip, start, step), size) for start in range(0, n_samples, step)]
    return np.concatenate(parts)


def block_size(sample_rate: int) -> int:
    """Samples of a block."""
    return max(1, round(sample_rate / _BLOCKS_PER_S))


def _powers(waveform: FloatArray, size: int) -> Powers:
    padded = np.zeros(-(-len(waveform) // size) * size)
    padded[: len(waveform)] = waveform
    return np.asarray(np.square(padded).reshape(-1, size).mean(1))


def find_sounds(powers: Powers, activity: Activity, sample_rate: int) -> list[Active]:
    """The sounds of a clip: stretches that are loud against its loudest place and its constant noise."""
    smooth = _moving_mean(powers, _SMOOTHED_BLOCKS)
    quietest = _quietest(powers, smooth, activity)
    parts = _trimmed(powers, _runs(smooth > quietest), quietest)
    sounds = [
        sound
        for sound in _near_ones(parts, activity.gap_s * _BLOCKS_PER_S)
        if smooth[sound[0].start : sound[-1].stop].max() > quietest * _HYSTERESIS
    ]
    return _long_enough(sounds, activity.shortest_s, sample_rate)


def _quietest(powers: Powers, smooth: Powers, activity: Activity) -> float:
    """The power above which something is heard; silence around a clip is no part of its noise."""
    loudest = float(_moving_mean(powers, _LOUDEST_BLOCKS).max())
    heard = np.flatnonzero(smooth > _SILENCE)
    if not len(heard):
        return _SILENCE
    floor = float(np.percentile(smooth[heard[0] : heard[-1] + 1], _FLOOR_PERCENTILE))
    quietest = max(loudest * 10 ** (-activity.threshold_db / 10), floor * _ABOVE_FLOOR)
    return max(min(quietest, loudest * _STATIONARY), _SILENCE)


def find_backgrounds(powers: Powers, sample_rate: int) -> list[Active]:
    """The stretches of a clip between digital silences, however quiet."""
    runs = _runs(_moving_mean(powers, _SMOOTHED_BLOCKS) > _SILENCE)
    parts = ([part] for part in _trimmed(powers, runs, _SILENCE))
    return _long_enough(parts, _SHORTEST_BACKGROUND_S, sample_rate)


def is_silent(powers: Powers, stretch: Samples, sample_rate: int) -> bool:
    """Whether nothing at all is heard in a stretch."""
    size = block_size(sample_rate)
    return not (powers[stretch.start // size : -(-stretch.stop // size)] > _SILENCE).any()


def _long_enough(sounds: Iterable[Sequence[Samples]], shortest_s: float, sample_rate: int) -> list[Active]:
    """The sounds that last long enough, from blocks to samples."""
    size = block_size(sample_rate)
    return [
        tuple(Samples(part.start * size, part.stop * size) for part in sound)
        for sound in sounds
        if sound[-1].stop - sound[0].start >= shortest_s * _BLOCKS_PER_S
    ]


def _moving_mean(powers: Powers, width: int) -> Powers:
    """The mean around every block; beyond the ends there is silence."""
    width = min(width, len(powers))
    sums = np.concatenate([[0.0], np.cumsum(powers)])
    stops = np.minimum(np.arange(len(powers)) + width - width // 2, len(powers))
    starts = np.maximum(np.arange(len(powers)) - width // 2, 0)
    return np.asarray((sums[stops] - sums[starts]) / width)


def _runs(mask: NDArray[np.bool_]) -> list[Samples]:
    """Every stretch of true values."""
    changes = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [Samples(int(start), int(stop)) for start, stop in changes.reshape(-1, 2)]


def _trimmed(powers: Powers, runs: Iterable[Samples], quietest: float) -> list[Samples]:
    """Runs without what averaging added at both ends, be it all."""
    loud = ((run, np.flatnonzero(powers[run.start : run.stop] > quietest)) for run in runs)
    return [
        Samples(run.start + int(blocks[0]), run.start + int(blocks[-1]) + 1)
        for run, blocks in loud
        if len(blocks)
    ]


def _near_ones(parts: Iterable[Samples], gap: float) -> list[list[Samples]]:
    """Parts with shorter silences between them belong together."""
    sounds: list[list[Samples]] = []
    for part in parts:
        if sounds and part.start - sounds[-1][-1].stop < gap:
            sounds[-1].append(part)
        else:
            sounds.append([part])
    return sounds
