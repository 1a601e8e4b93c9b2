"""Large batches on a processor: heard in parts that fit its caches.

More clips together would only take memory (docs/performance.md). B clips.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.scores import FloatArray

SOUND_AT_ONCE_S = 20.0
"""How much sound the network hears together on a processor."""


def clips_at_once(model: ModelDescription, sound_s: float = SOUND_AT_ONCE_S) -> int:
    """Clips that together last so long."""
    return max(1, round(sound_s / model.clip_s))


def in_parts(
    run: Callable[[FloatArray], EngineOutput], clips: FloatArray, model: ModelDescription
) -> EngineOutput:
    """The answers about clips `(B, clip_samples)`, of which a few run at once."""
    n_clips = clips_at_once(model)
    parts = [run(clips[start : start + n_clips]) for start in range(0, len(clips), n_clips)]
    return EngineOutput(*map(np.concatenate, zip(*parts, strict=True)))
