"""Which settings fit which recordings."""

from __future__ import annotations

import math

from htsat.data.manifest import Clip, Manifest
from htsat.data.stores import SoundReader
from htsat.errors import AudioError

FINETUNE_SIZES = (50, 500, 5_000, 50_000)
"""Numbers of training clips that there is a preset `finetune-N` for."""

DETECTOR = "detector"
"""The preset for what strong labels ask for, on top of another one."""

_STRETCH_S = 5.0
"""Long recordings with strong labels count as one clip for each of these."""


def fitting_presets(manifest: Manifest) -> tuple[str, ...]:
    """Names of the presets for fine-tuning on these recordings, each on top of the one before."""
    reader = SoundReader(sample_rate=1_000)  # whose rate does not matter for a length
    size = finetune_defaults(sum(_n_stretches(clip, reader) for clip in manifest.clips))
    is_strong = any(clip.events for clip in manifest.clips)
    return (size, DETECTOR) if is_strong else (size,)


def finetune_defaults(n_clips: int) -> str:
    """Name of the preset for fine-tuning on so many clips: that of the nearest size, by ratio."""
    nearest = min(FINETUNE_SIZES, key=lambda size: abs(math.log(max(1, n_clips) / size)))
    return f"finetune-{nearest}"


def _n_stretches(clip: Clip, reader: SoundReader) -> int:
    if clip.events is None:
        return 1
    try:
        return max(1, round(reader.n_samples(clip) / reader.sample_rate / _STRETCH_S))
    except AudioError:
        return 1  # named when it is heard
