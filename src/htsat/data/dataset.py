"""Labelled clips as waveforms and targets.

L samples of a clip, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from htsat.data.augment import WaveformAugmentation, middle_crop
from htsat.data.manifest import Clip
from htsat.data.stores import SoundReader
from htsat.data.timeline import Moments, Placement, Timeline, target_of
from htsat.errors import AudioError, DataError
from htsat.labels import LabelSet
from htsat.scores import FloatArray

Progress = Callable[[Iterator[Clip]], Iterator[Clip]]

_BYTES_PER_SAMPLE = 4
_MAX_BROKEN_IN_A_ROW = 100


class Sample(NamedTuple):
    """Shape: `waveform` `(L,)`, `target` `(K,)` with ones for the classes that are heard.

    `seed` is what further changes of the clip depend on, `draw` says which clip it is, and `broken` names
    clips that were to come but could not be read. `moments` are there where moments are learned from.
    """

    waveform: FloatArray
    target: FloatArray
    seed: int
    draw: Draw
    broken: tuple[str, ...] = ()
    moments: Moments | None = None


@dataclass(frozen=True)
class Draw:
    """Which clip is asked for, in which epoch, and how often it was before in this epoch.

    Together with the seed that is all that its changes depend on.
    """

    epoch: int
    index: int
    take: int = 0


class BrokenClip(NamedTuple):
    """A clip that could not be read, with the reason."""

    clip: Clip
    reason: str


class Sounds(Protocol):
    """The sound of clips at one sample rate."""

    clips: Sequence[Clip]
    sample_rate: int

    def n_samples(self, index: int) -> int:
        """Length of a clip."""

    def read(self, index: int, start: int = 0, n_samples: int | None = None) -> FloatArray:
        """A stretch of a clip; raises AudioError when it cannot be read."""


class DecodedSounds:
    """Sound in memory."""

    def __init__(self, clips: Sequence[Clip], waveforms: Sequence[FloatArray], sample_rate: int) -> None:
        self.clips = clips
        self.sample_rate = sample_rate
        self._waveforms = waveforms

    def n_samples(self, index: int) -> int:
        """Length of a clip."""
        return len(self._waveforms[index])

    def read(self, index: int, start: int = 0, n_samples: int | None = None) -> FloatArray:
        """A stretch of a clip."""
        return self._waveforms[index][start : None if n_samples is None else start + n_samples]


class StoredSounds:
    """Sound that is decoded whenever it is heard."""

    def __init__(self, clips: Sequence[Clip], reader: SoundReader) -> None:
        self.clips = clips
        self.sample_rate = reader.sample_rate
        self._reader = reader

    def n_samples(self, index: int) -> int:
        """Length of a clip."""
        return self._reader.n_samples(self.clips[index])

    def read(self, index: int, start: int = 0, n_samples: int | None = None) -> FloatArray:
        """A stretch of a clip."""
        return self._reader.read(self.clips[index], start, n_samples)


class OpenedClips(NamedTuple):
    """Clips that can be heard, and those that are known to be broken."""

    sounds: Sounds
    broken: tuple[BrokenClip, ...] = ()


def open_clips(
    clips: Sequence[Clip], sample_rate: int, memory_bytes: float, progress: Progress = iter
) -> OpenedClips:
    """Decode clips into memory if they fit into it; else they are decoded when they are heard.

    Broken clips are listed, not fatal.

    Raises:
        DataError: when the clips fit and not a single one can be read.
    """
    reader = SoundReader(sample_rate)
    if not _fit(clips, reader, memory_bytes):
        return OpenedClips(StoredSounds(clips, reader))
    read, waveforms, broken = [], [], []
    for clip in progress(iter(clips)):
        try:
            waveforms.append(reader.read(clip))
            read.append(clip)
        except AudioError as error:
            broken.append(BrokenClip(clip, str(error)))
    if broken and not read:
        raise DataError(f"none of the {len(broken)} clips can be read; the first: {broken[0].reason}")
    return OpenedClips(DecodedSounds(read, waveforms, sample_rate), tuple(broken))


def _fit(clips: Sequence[Clip], reader: SoundReader, memory_bytes: float) -> bool:
    """Whether all clips fit into memory; stops asking for lengths as soon as they do not."""
    n_bytes = 0
    for clip in clips:
        try:
            n_bytes += _BYTES_PER_SAMPLE * reader.n_samples(clip)
        except AudioError:
            continue  # named when it is read
        if n_bytes > memory_bytes:
            return False
    return True


class MadeClip(NamedTuple):
    """Shape: `waveform` `(L,)`; `placement` says where in the recording it comes from."""

    waveform: FloatArray
    placement: Placement


@dataclass(frozen=True, kw_only=True)
class ClipMaker:
    """How a recording becomes a training clip: `clip_samples` of it, changed at random.

    With `n_passes` the changes of epoch `n_passes` are those of epoch 0 again, and so on: a teacher that has
    heard so many epochs has heard all (`htsat.training.teaching`).
    """

    clip_samples: int
    augmentation: WaveformAugmentation
    seed: int
    noise: Sounds | None = None
    n_passes: int | None = None

    def place(self, draw: Draw) -> Draw:
        """The draw whose changes this draw gets."""
        if self.n_passes is None:
            return draw
        return Draw((draw.epoch + draw.take) % self.n_passes, draw.index)

    def seed_of(self, draw: Draw) -> int:
        """63 bits for all that is random about a clip."""
        entropy = (self.seed, draw.epoch, draw.index, draw.take)
        return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def make(self, sounds: Sounds, index: int, seed: int) -> MadeClip:
        """A clip of `clip_samples` from a recording."""
        rng = np.random.default_rng((seed, 0))
        plan = self.augmentation.plan(self.clip_samples, sounds.sample_rate, rng)
        stretch = random_stretch(sounds, index, plan.n_samples, rng)
        noise = None if plan.snr_db is None else self._noise(rng)
        changed = self.augmentation.apply(stretch.waveform, plan, self.clip_samples, rng, noise)
        n_samples, (waveform, n_played, roll) = len(stretch.waveform), changed
        return MadeClip(
            waveform, Placement(stretch.start, n_samples, plan.speed, n_played, roll, self.clip_samples)
        )

    def _noise(self, rng: np.random.Generator) -> FloatArray:
        assert self.noise is not None, "augmentation.noise_data are opened with the clips"
        index = int(rng.integers(len(self.noise.clips)))
        return random_stretch(self.noise, index, self.clip_samples, rng).waveform


class Stretch(NamedTuple):
    """A part of a recording, from sample `start` on. Shape: `waveform` `(n,)`."""

    waveform: FloatArray
    start: int


def random_stretch(sounds: Sounds, index: int, n_samples: int, rng: np.random.Generator) -> Stretch:
    """`n_samples` from anywhere in a recording, or all of it when it is not that long."""
    n_there = sounds.n_samples(index)
    if n_there <= n_samples:
        return Stretch(sounds.read(index), 0)
    start = int(rng.integers(n_there - n_samples + 1))
    return Stretch(sounds.read(index, start, n_samples), start)


class TrainingClips:
    """Clips changed at random: the same draw with the same seed gives the same sample.

    Where a clip cannot be read the next one that can takes its place, and the sample names it. With a
    `timeline` samples also tell of moments.
    """

    def __init__(
        self, sounds: Sounds, labels: LabelSet, maker: ClipMaker, timeline: Timeline | None = None
    ) -> None:
        self._sounds = sounds
        self._labels = labels
        self._maker = maker
        self._timeline = timeline

    def __len__(self) -> int:
        return len(self._sounds.clips)

    def __getitem__(self, draw: Draw) -> Sample:
        broken: list[str] = []
        while len(broken) < min(len(self), _MAX_BROKEN_IN_A_ROW):
            try:
                return self._sample(self._maker.place(draw), tuple(broken))
            except AudioError as error:
                broken.append(str(error))
                draw = Draw(draw.epoch, (draw.index + 1) % len(self), draw.take)
        raise DataError(f"{len(broken)} clips in a row cannot be read; the last: {broken[-1]}")

    def title(self, index: int) -> str:
        """How messages name a clip, with its place in a longer recording."""
        clip = self._sounds.clips[index]
        return f"{clip.title}, from {clip.start_s:g} s" if clip.start_s else clip.title

    def _sample(self, draw: Draw, broken: tuple[str, ...]) -> Sample:
        seed = self._maker.seed_of(draw)
        waveform, placement = self._maker.make(self._sounds, draw.index, seed)
        clip = self._sounds.clips[draw.index]
        if self._timeline is None:
            return Sample(waveform, target_of(clip.labels, self._labels), seed, draw, broken)
        target, moments = self._timeline.truth(clip, placement)
        return Sample(waveform, target, seed, draw, broken, moments)


class EvaluationClips:
    """Clips as they are: the middle of longer ones, shorter ones repeated."""

    def __init__(
        self, sounds: Sounds, labels: LabelSet, clip_samples: int, timeline: Timeline | None = None
    ) -> None:
        self._sounds = sounds
        self._labels = labels
        self._clip_samples = clip_samples
        self._timeline = timeline

    def __len__(self) -> int:
        return len(self._sounds.clips)

    def __getitem__(self, index: int) -> Sample:
        """A clip; raises AudioError when it cannot be read."""
        n_before = max(0, self._sounds.n_samples(index) - self._clip_samples) // 2
        stretch = self._sounds.read(index, n_before, self._clip_samples)
        waveform, clip = middle_crop(stretch, self._clip_samples), self._sounds.clips[index]
        if self._timeline is None:
            return Sample(waveform, target_of(clip.labels, self._labels), 0, Draw(0, index))
        placement = Placement(n_before, len(stretch), 1.0, len(stretch), 0, self._clip_samples)
        target, moments = self._timeline.truth(clip, placement)
        return Sample(waveform, target, 0, Draw(0, index), moments=moments)
