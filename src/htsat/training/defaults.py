"""Which settings fit how many recordings."""

from __future__ import annotations

import math

FINETUNE_SIZES = (50, 500, 5_000, 50_000)
"""Numbers of training clips that there is a preset `finetune-N` for."""


def finetune_defaults(n_clips: int) -> str:
    """Name of the preset for fine-tuning on so many clips: that of the nearest size, by ratio."""
    nearest = min(FINETUNE_SIZES, key=lambda size: abs(math.log(max(1, n_clips) / size)))
    return f"finetune-{nearest}"
