"""Recordings of any length and a network that takes exactly one: cut into clips, stitch their scores.

All clips of a recording lie on one frame grid, so the frames of overlapping clips fall on each other.
What the network says about them is cross-faded: a frame in the middle of a clip has more context, and
counts more, than one at its edge.

Axes: B clips, L samples of a clip, T frames of a clip, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from htsat.engines.protocol import ModelDescription
from htsat.errors import AudioError, ConfigError
from htsat.scores import FloatArray, FrameGrid

MIN_DURATION_S = 0.02
"""Shortest recording that is listened to: two mel frames of 10 ms."""

Short = Literal["repeat", "pad"]
"""What fills the clip of a recording that is shorter: the recording again and again, or zeros."""


class TooShortError(AudioError):
    """A recording in which there is nothing to be heard yet."""


@dataclass(frozen=True)
class ClipPlan:
    """How recordings are cut: clips of `n_frames` frames, one every `hop_frames` frames.

    The frames are the coarse ones of a model; `in_frames` gives the same plan in shorter ones.

    Raises:
        ConfigError: when a number is out of range, or a clip is not a whole number of frames.
    """

    sample_rate: int
    clip_samples: int
    n_frames: int
    hop_frames: int
    short: Short = "repeat"

    def __post_init__(self) -> None:
        if self.clip_samples % self.n_frames:
            sizes = f"{self.clip_samples} samples, {self.n_frames} frames"
            raise ConfigError(f"a clip must be a whole number of samples per frame, got {sizes}")
        if not 1 <= self.hop_frames <= self.n_frames:
            raise ConfigError(f"hop_frames must be between 1 and {self.n_frames}, got {self.hop_frames}")
        if self.short not in get_args(Short):
            raise ConfigError(f"short must be 'repeat' or 'pad', got {self.short!r}")

    @classmethod
    def for_model(cls, model: ModelDescription, overlap: float = 0.5, short: Short = "repeat") -> ClipPlan:
        """The plan for a model; neighbouring clips share the fraction `overlap`, rounded to coarse frames."""
        if not 0 <= overlap < 1:
            raise ConfigError(f"overlap must be at least 0 and less than 1, got {overlap}")
        hop_frames = max(1, round(model.n_coarse_frames * (1 - overlap)))
        return cls(model.sample_rate, model.clip_samples, model.n_coarse_frames, hop_frames, short)

    def in_frames(self, n_frames: int) -> ClipPlan:
        """The same cuts for a clip of so many frames, a multiple of those of this plan."""
        ratio, rest = divmod(n_frames, self.n_frames)
        if rest:
            raise ConfigError(f"a clip of {self.n_frames} frames cannot be divided into {n_frames}")
        return replace(self, n_frames=n_frames, hop_frames=ratio * self.hop_frames)

    @property
    def frame_samples(self) -> int:
        """Length of a frame in samples."""
        return self.clip_samples // self.n_frames

    @property
    def hop_samples(self) -> int:
        """Distance between the beginnings of two neighbouring clips."""
        return self.hop_frames * self.frame_samples

    def frames_covering(self, n_samples: int) -> int:
        """Number of frames that are needed to cover so many samples; the last one may be cut."""
        return -(-n_samples // self.frame_samples)


class Clip(NamedTuple):
    """One clip for the network; `start` is its place in the recording, in samples.

    `samples` is `(L,)`. Only its first `n_samples` are the recording; repetition or zeros follow.
    """

    samples: FloatArray
    start: int
    n_samples: int


def cut(blocks: Iterable[FloatArray], plan: ClipPlan) -> Iterator[Clip]:
    """Cut a stream of samples into overlapping clips; about two clips are held at any time.

    A clip begins every `plan.hop_frames` frames for as long as it lies inside the recording. The last
    one begins as early as it can and still reach the end, so less than one frame of it is zeros. A
    recording shorter than a clip becomes one clip, filled as `plan.short` says.

    Shape: blocks `(n,)` of any length at `plan.sample_rate`.

    Raises:
        TooShortError: when the recording is shorter than 20 ms.
    """
    in_portions = portions(blocks, plan.clip_samples, plan.hop_samples)
    samples = next(in_portions, np.empty(0, np.float32))
    start = 0
    if len(samples) < plan.clip_samples:
        yield short_clip(samples, plan)
        return
    yield Clip(samples, start, len(samples))
    for portion in in_portions:
        n_new = plan.frames_covering(len(portion)) * plan.frame_samples
        n_zeros = n_new - len(portion)
        samples = np.concatenate([samples[n_new:], portion, np.zeros(n_zeros, np.float32)])
        start += n_new
        yield Clip(samples, start, len(samples) - n_zeros)


def portions(blocks: Iterable[FloatArray], first_samples: int, later_samples: int) -> Iterator[FloatArray]:
    """The same samples in portions of other sizes; the last portion may be smaller."""
    parts: list[FloatArray] = []
    n_missing = first_samples
    for block in blocks:
        rest = block
        while len(rest) >= n_missing:
            yield np.concatenate([*parts, rest[:n_missing]])
            rest, parts, n_missing = rest[n_missing:], [], later_samples
        if len(rest):
            # A copy, because the source may use the block's memory again.
            parts.append(rest.copy())
            n_missing -= len(rest)
    if parts:
        yield np.concatenate(parts)


def short_clip(samples: FloatArray, plan: ClipPlan) -> Clip:
    """All of a recording that is shorter than a clip, filled as the plan says; see `cut` for the errors."""
    n_samples = len(samples)
    if n_samples < round(MIN_DURATION_S * plan.sample_rate):
        raise TooShortError(
            f"too short: {1000 * n_samples / plan.sample_rate:.3g} ms of audio, "
            f"at least {1000 * MIN_DURATION_S:g} ms are needed"
        )
    if plan.short == "repeat":
        return Clip(np.resize(samples, plan.clip_samples), 0, n_samples)
    return Clip(np.pad(samples, (0, plan.clip_samples - n_samples)), 0, n_samples)


def fold_back(n_samples: int, plan: ClipPlan) -> NDArray[np.float64]:
    """Weights `(n_out, T)` that lay the copies in a repeated clip over each other.

    Row `j` averages the network frames that cover frame `j` of any copy of the recording, each by the
    time it shares with it. Copy `k` begins at sample `k * n_samples`; the clip's end may cut the last.
    """
    copies = np.arange(0, plan.clip_samples, n_samples)[:, None, None]
    onsets = np.arange(0, n_samples, plan.frame_samples)[:, None]
    offsets = np.minimum(onsets + plan.frame_samples, n_samples)
    clip_onsets = np.arange(0, plan.clip_samples, plan.frame_samples)
    shared_ends = np.minimum(copies + offsets, clip_onsets + plan.frame_samples)
    shared_starts = np.maximum(copies + onsets, clip_onsets)
    shared = np.maximum(shared_ends - shared_starts, 0).sum(axis=0)
    weights: NDArray[np.float64] = shared / shared.sum(axis=1, keepdims=True)
    return weights


def own_frames(clip: Clip, values: FloatArray, plan: ClipPlan) -> NDArray[np.floating]:
    """Values on the grid of the recording: those of the network `(T, C)`, unless the clip is a repetition."""
    is_short = clip.start == 0 and clip.n_samples < plan.clip_samples
    if is_short and plan.short == "repeat":
        return fold_back(clip.n_samples, plan) @ values
    return values


class Stitched(NamedTuple):
    """Consecutive frames of a recording that no later clip can change; there may be none.

    Shape: `values` `(t, C)`, `clip_values` `(t, C)`: the largest clip mean among the clips around a frame.
    """

    values: FloatArray
    clip_values: FloatArray
    grid: FrameGrid


class Stitcher:
    """Puts what a network says about the frames of clips together, in the order of the clips.

    Where clips overlap, values are averaged with weights that rise towards the middle of a clip.
    Frames are handed out as soon as no later clip can change them.

    Shape: C channels: the logits of K classes, or an embedding of D.
    """

    def __init__(self, plan: ClipPlan, n_channels: int) -> None:
        self._plan = plan
        self._n_channels = n_channels
        frames = np.arange(plan.n_frames)
        self._fade = np.minimum(frames + 1, plan.n_frames - frames).astype(np.float64)
        self._first_frame = 0
        self._n_samples = 0
        # In double precision, where one clip covers a frame its value comes out unchanged.
        self._sums = np.empty((0, n_channels))
        self._weights = np.empty(0)
        self._clip_values = np.empty((0, n_channels))

    def add(self, clips: Sequence[Clip], values: FloatArray) -> Stitched:
        """Take the values `(B, T, C)` of the next clips; return the frames that are finished."""
        last_frame = self._first_frame_of(clips[-1])
        self._extend_to(last_frame + self._plan.n_frames)
        for clip, frames in zip(clips, values, strict=True):
            self._accumulate(clip, frames)
        return self._hand_out(last_frame)

    def finish(self) -> Stitched:
        """The remaining frames; the last one ends where the recording ends."""
        return self._hand_out(self._plan.frames_covering(self._n_samples))

    def _first_frame_of(self, clip: Clip) -> int:
        return clip.start // self._plan.frame_samples

    def _extend_to(self, stop_frame: int) -> None:
        n_new = stop_frame - self._first_frame - len(self._weights)
        blank = np.zeros((n_new, self._n_channels))
        self._sums = np.concatenate([self._sums, blank])
        self._weights = np.concatenate([self._weights, np.zeros(n_new)])
        self._clip_values = np.concatenate([self._clip_values, blank - np.inf])

    def _accumulate(self, clip: Clip, values: FloatArray) -> None:
        frames = own_frames(clip, values, self._plan)
        start = self._first_frame_of(clip) - self._first_frame
        place = slice(start, start + len(frames))
        fade = self._fade[: len(frames)]
        self._sums[place] += fade[:, None] * frames
        self._weights[place] += fade
        self._clip_values[place] = np.maximum(self._clip_values[place], values.mean(axis=0, dtype=np.float64))
        self._n_samples = clip.start + clip.n_samples

    def _hand_out(self, stop_frame: int) -> Stitched:
        n_frames = stop_frame - self._first_frame
        boundaries = np.arange(self._first_frame, stop_frame + 1) * self._plan.frame_samples
        stitched = Stitched(
            values=(self._sums[:n_frames] / self._weights[:n_frames, None]).astype(np.float32),
            clip_values=self._clip_values[:n_frames].astype(np.float32),
            grid=FrameGrid(np.minimum(boundaries, self._n_samples) / self._plan.sample_rate),
        )
        self._first_frame = stop_frame
        self._sums = self._sums[n_frames:]
        self._weights = self._weights[n_frames:]
        self._clip_values = self._clip_values[n_frames:]
        return stitched
