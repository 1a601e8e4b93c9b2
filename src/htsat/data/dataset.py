"""Labelled clips as waveforms and targets, decoded once where memory allows.

L samples of a clip, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from htsat import audio
from htsat.data.augment import WaveformAugmentation, middle_crop
from htsat.data.manifest import Clip, Manifest
from htsat.errors import AudioError, DataError
from htsat.labels import LabelSet
from htsat.scores import FloatArray


class Sample(NamedTuple):
    """Shape: `waveform` `(L,)`, `target` `(K,)` with ones for the classes that are heard."""

    waveform: FloatArray
    target: FloatArray


@dataclass(frozen=True)
class Draw:
    """Which clip is asked for, in which epoch, and how often it was before in this epoch.

    Together with the seed that is all that its changes depend on.
    """

    epoch: int
    index: int
    take: int = 0


@dataclass(frozen=True)
class Recording:
    """A clip that could be decoded; `waveform` is `(n,)` at the model's rate, of any length."""

    clip: Clip
    waveform: FloatArray


class BrokenClip(NamedTuple):
    """A clip that could not be decoded, with the reason."""

    clip: Clip
    reason: str


class DecodedClips(NamedTuple):
    """What could be read of a manifest, and what could not."""

    recordings: tuple[Recording, ...]
    broken: tuple[BrokenClip, ...]


def decode_clips(
    manifest: Manifest, sample_rate: int, progress: Callable[[Iterator[Clip]], Iterator[Clip]] = iter
) -> DecodedClips:
    """Decode every clip of a manifest into memory; broken ones are listed, not fatal.

    Raises:
        DataError: when not a single clip can be read.
    """
    recordings, broken = [], []
    for clip in progress(iter(manifest.clips)):
        try:
            recordings.append(Recording(clip, _decode(clip, sample_rate)))
        except AudioError as error:
            broken.append(BrokenClip(clip, str(error)))
    if not recordings:
        raise DataError(f"none of the {len(broken)} clips can be read; the first: {broken[0].reason}")
    return DecodedClips(tuple(recordings), tuple(broken))


def _decode(clip: Clip, sample_rate: int) -> FloatArray:
    waveform = audio.load_audio(clip.path, sample_rate)
    start = round(clip.start_s * sample_rate)
    end = None if clip.duration_s is None else start + round(clip.duration_s * sample_rate)
    waveform = waveform[start:end]
    if not len(waveform):
        raise AudioError(f"{clip.path}: ends before the clip's start at {clip.start_s:g} s")
    return waveform


def target_of(labels: tuple[str, ...], label_set: LabelSet) -> FloatArray:
    """Ones for the classes that are heard. Shape: `(K,)`."""
    target = np.zeros(len(label_set), np.float32)
    target[[label_set.index(label) for label in labels]] = 1.0
    return target


class TrainingClips:
    """Clips changed at random: the same draw with the same seed gives the same sample."""

    def __init__(
        self,
        recordings: tuple[Recording, ...],
        labels: LabelSet,
        clip_samples: int,
        augmentation: WaveformAugmentation,
        seed: int,
    ) -> None:
        self._recordings = recordings
        self._labels = labels
        self._clip_samples = clip_samples
        self._augmentation = augmentation
        self._seed = seed

    def __len__(self) -> int:
        return len(self._recordings)

    def __getitem__(self, draw: Draw) -> Sample:
        recording = self._recordings[draw.index]
        rng = np.random.default_rng((self._seed, draw.epoch, draw.index, draw.take))
        waveform = self._augmentation(recording.waveform, self._clip_samples, rng)
        return Sample(waveform, target_of(recording.clip.labels, self._labels))


class EvaluationClips:
    """Clips as they are: the middle of longer ones, shorter ones repeated."""

    def __init__(self, recordings: tuple[Recording, ...], labels: LabelSet, clip_samples: int) -> None:
        self._recordings = recordings
        self._labels = labels
        self._clip_samples = clip_samples

    def __len__(self) -> int:
        return len(self._recordings)

    def __getitem__(self, index: int) -> Sample:
        recording = self._recordings[index]
        waveform = middle_crop(recording.waveform, self._clip_samples)
        return Sample(waveform, target_of(recording.clip.labels, self._labels))
