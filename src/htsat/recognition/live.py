"""Live detection: the network hears a buffer of one clip that slides along a stream.

Every hop the network hears the last clip of the stream. What lies within the margin before its end waits,
because the network has not heard enough of what follows. The rest is settled: every frame is taken from the
first buffer in which it is. The frames tile the time without gap or overlap, and go to the rules one by one.

While less than a clip has been heard, it is heard as a recording that ends now.

Axes: T frames, C channels, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from htsat.engines.protocol import Engine, EngineOutput, ModelDescription
from htsat.errors import ConfigError
from htsat.recognition.clips import (
    MIN_DURATION_S,
    Clip,
    ClipPlan,
    Short,
    Stitched,
    own_frames,
    portions,
    short_clip,
)
from htsat.recognition.events import EventFinder
from htsat.recognition.inference import infer, require_classes, scores_of
from htsat.recognition.runs import SLACK_S
from htsat.rules import EventRules
from htsat.scores import FloatArray, FrameGrid, FrameScores, SoundEvent, in_order

HOP_S = 0.5
"""How often the network listens, where nothing else is asked for."""

MARGIN_S = 2.5
"""How much it wants to have heard after a frame; with `nano-esc50` less made more mistakes than `detect`."""


@dataclass(frozen=True)
class LivePlan:
    """How a stream is heard: a clip every `clips.hop_frames` frames, of which the last `margin_frames` wait.

    The frames are the coarse ones of a model.

    Raises:
        ConfigError: when a number is out of range.
    """

    clips: ClipPlan
    margin_frames: int

    def __post_init__(self) -> None:
        if not 0 <= self.margin_frames <= self.clips.n_frames - self.clips.hop_frames:
            clip_s = self.clips.clip_samples / self.clips.sample_rate
            raise ConfigError(
                f"hop and margin together must not be longer than a clip of {clip_s:g} s, "
                f"got {self.hop_s:g} s and {self.margin_s:g} s"
            )

    @classmethod
    def for_model(
        cls, model: ModelDescription, hop_s: float | None, margin_s: float | None, short: Short = "repeat"
    ) -> LivePlan:
        """The plan for a model; both times are rounded up to whole coarse frames.

        None stands for `HOP_S` and `MARGIN_S`, but at most half a clip.
        """
        if hop_s is not None and hop_s < MIN_DURATION_S:
            raise ConfigError(f"hop_s must be at least {MIN_DURATION_S:g} s, got {hop_s:g}")
        hop_frames = _coarse_frames(model, "hop_s", hop_s, HOP_S)
        margin_frames = _coarse_frames(model, "margin_s", margin_s, MARGIN_S)
        clips = ClipPlan(model.sample_rate, model.clip_samples, model.n_coarse_frames, hop_frames, short)
        return cls(clips, margin_frames)

    @property
    def hop_s(self) -> float:
        """How often the network listens, in seconds of the stream."""
        return self.clips.hop_samples / self.clips.sample_rate

    @property
    def margin_s(self) -> float:
        """How much has been heard after every frame that is settled."""
        return self.margin_frames * self.clips.frame_samples / self.clips.sample_rate


def _coarse_frames(model: ModelDescription, name: str, length_s: float | None, usual_s: float) -> int:
    frame_s = model.clip_s / model.n_coarse_frames
    if length_s is None:
        return min(math.ceil(usual_s / frame_s), model.n_coarse_frames // 2)
    if not 0 <= length_s <= model.clip_s:
        raise ConfigError(f"{name} must be between 0 and {model.clip_s:g} s, a clip, got {length_s:g}")
    return math.ceil(length_s / frame_s - SLACK_S)


class LiveDetector:
    """Finds the events of a stream while it goes on, in memory that does not grow.

    `hop_s` is how often the network listens, `margin_s` how much it waits for what follows (see `LivePlan`):
    longer margins make fewer mistakes, later. `short` as for `Recognizer`.

    Raises:
        ConfigError: when a setting is out of range, or the rules do not fit the model.
        HtsatError: when the model has no classes.
    """

    def __init__(
        self,
        engine: Engine,
        rules: EventRules | None = None,
        *,
        hop_s: float | None = None,
        margin_s: float | None = None,
        short: Short = "repeat",
    ) -> None:
        require_classes(engine.description)
        self.plan = LivePlan.for_model(engine.description, hop_s, margin_s, short)
        self._engine = engine
        self._model = engine.description
        self._rules = rules or engine.description.rules
        self._new_finder()  # refuses rules that do not fit

    @property
    def delay_s(self) -> float:
        """The most of the stream that passes from the end of an event until it is reported.

        The time of computing comes on top. A box waits until the next sound of its class has ended: its delay
        has no bound, and this is infinite.
        """
        if self._rules.boxes is not None:
            return math.inf
        frame_s = self._model.frame_s
        max_gap_s = float(self._rules.per_class("max_gap_s").max())
        n_after = math.floor((max_gap_s + SLACK_S) / frame_s) + 1  # frames that show that it has ended
        n_around = (
            int(self._rules.median_filter_frames(frame_s).max()) // 2
        )  # frames that settle the last of those
        return (n_after + n_around - 1) * frame_s + self.plan.hop_s + self.plan.margin_s

    def listen(self, blocks: Iterable[FloatArray]) -> Iterator[SoundEvent]:
        """Each event once, when it has ended; at the end of the stream what is left.

        Shape: blocks `(n,)` of any length, mono, at the model's sample rate.

        Raises:
            TooShortError: when the stream is shorter than 20 ms.
            NonFiniteScoresError: when the network's answer is not finite.
        """
        finder = self._new_finder()
        for scores in self.scores(blocks):
            yield from in_order(finder.push(scores), self._model.labels)
        yield from in_order(finder.finish(), self._model.labels)

    def scores(self, blocks: Iterable[FloatArray]) -> Iterator[FrameScores]:
        """Consecutive frames of a stream as they are settled; blocks and errors as for `listen`."""
        n_settled = 0
        for clip in _buffers(blocks, self.plan.clips):
            heard = _Heard(clip, infer(self._engine, [clip]), self.plan.clips, self._model)
            stop = heard.n_frames - self.plan.margin_frames
            if stop > n_settled:
                yield heard.scores(n_settled, stop)
                n_settled = stop
        if heard.n_frames > n_settled:
            yield heard.scores(n_settled, heard.n_frames)

    def _new_finder(self) -> EventFinder:
        return EventFinder(self._model.labels, self._rules, self._model.frame_s)


def _buffers(blocks: Iterable[FloatArray], plan: ClipPlan) -> Iterator[Clip]:
    """The last clip of the stream, every hop and at its end; less than one frame of it is zeros."""
    samples = np.empty(0, np.float32)
    n_heard = 0
    for portion in portions(blocks, plan.hop_samples, plan.hop_samples):
        samples = np.concatenate([samples, portion])
        n_heard += len(portion)
        if n_heard < plan.clip_samples:
            yield short_clip(samples, plan)
            continue
        n_zeros = -n_heard % plan.frame_samples
        samples = np.pad(samples, (0, n_zeros))[-plan.clip_samples :]
        yield Clip(samples, n_heard + n_zeros - plan.clip_samples, plan.clip_samples - n_zeros)
    if not n_heard:
        yield short_clip(samples, plan)  # refuses it


class _Heard(NamedTuple):
    """What the network says about a buffer. Frames are counted from the beginning of the stream."""

    clip: Clip
    output: EngineOutput
    plan: ClipPlan
    model: ModelDescription

    @property
    def n_frames(self) -> int:
        """Number of coarse frames until now."""
        return self.plan.frames_covering(self.clip.start + self.clip.n_samples)

    def scores(self, start: int, stop: int) -> FrameScores:
        """The scores of the stretch between two coarse frames."""
        fine_plan = self.plan.in_frames(self.model.n_frames)
        frames = self._part(self.output.frame_logits[0], fine_plan, start, stop)
        tagging = self._part(self.output.tagging_logits[0], self.plan, start, stop)
        return scores_of(frames, tagging, self.model)

    def _part(self, values: FloatArray, plan: ClipPlan, start: int, stop: int) -> Stitched:
        """Values `(T, C)` of the stretch between two coarse frames, in the frames of a plan."""
        ratio = plan.n_frames // self.plan.n_frames
        end = self.clip.start + self.clip.n_samples
        places = np.arange(ratio * start, min(ratio * stop, plan.frames_covering(end)) + 1)
        own = own_frames(self.clip, values, plan)[places[:-1] - self.clip.start // plan.frame_samples]
        return Stitched(
            values=own.astype(np.float32),
            clip_values=np.broadcast_to(values.mean(axis=0, dtype=np.float32), own.shape),
            grid=FrameGrid(np.minimum(places * plan.frame_samples, end) / plan.sample_rate),
        )
