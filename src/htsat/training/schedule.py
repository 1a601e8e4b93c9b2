"""Learning rates as pure functions of the number of clips seen."""

from __future__ import annotations

import math
from typing import NamedTuple

from htsat.training.experiment import Optimisation


class Progress(NamedTuple):
    """How far a run has come."""

    clips_seen: int
    """Since its beginning, over all processes."""
    clips_per_epoch: int
    """That are really learned from: whole batches."""

    @property
    def epoch(self) -> int:
        """The epoch that the next clip belongs to, from 0."""
        return self.clips_seen // self.clips_per_epoch


def learning_rate(settings: Optimisation, progress: Progress) -> float:
    """The rate of the next step: by `learning_rate_steps`, else a linear warm-up and a cosine after it."""
    if settings.learning_rate_steps:
        return [rate for epoch, rate in settings.learning_rate_steps if epoch <= progress.epoch][-1]
    total_clips = settings.epochs * progress.clips_per_epoch
    warmup_clips = _warmup_clips(settings, total_clips)
    if progress.clips_seen < warmup_clips:
        return settings.learning_rate * (progress.clips_seen + 1) / warmup_clips
    decay_clips = max(1, total_clips - warmup_clips)
    done = min(1.0, (progress.clips_seen - warmup_clips) / decay_clips)
    span = settings.learning_rate - settings.final_learning_rate
    return settings.final_learning_rate + span * 0.5 * (1.0 + math.cos(math.pi * done))


def _warmup_clips(settings: Optimisation, total_clips: int) -> int:
    """Long enough for AdamW to learn the size of the gradients, and never more than a tenth of the run."""
    if settings.warmup_clips is None:
        return min(2000, total_clips // 10)
    return settings.warmup_clips
