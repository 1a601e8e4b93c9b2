"""Learning rates as pure functions of the number of clips seen."""

from __future__ import annotations

import math

from htsat.training.experiment import Optimisation


def learning_rate(settings: Optimisation, clips_seen: int, total_clips: int) -> float:
    """Linear warm-up, then a cosine down to `final_learning_rate`."""
    if clips_seen < settings.warmup_clips:
        return settings.learning_rate * (clips_seen + 1) / settings.warmup_clips
    decay_clips = max(1, total_clips - settings.warmup_clips)
    progress = min(1.0, (clips_seen - settings.warmup_clips) / decay_clips)
    span = settings.learning_rate - settings.final_learning_rate
    return settings.final_learning_rate + span * 0.5 * (1.0 + math.cos(math.pi * progress))
