"""Sound inside a page: mono MP3, which every browser plays."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO

import numpy as np
import soundfile

from htsat.audio.blocks import mono_blocks
from htsat.scores import FloatArray

KIND = "audio/mpeg"
_SAMPLE_RATE = 32_000
_COMPRESSION = 0.7
"""Of a scale from 0 to 1: about 8 kB for a second."""


def encoded(blocks: Iterable[FloatArray], sample_rate: int) -> bytes:
    """Mono blocks `(L,)` as MP3 of 32 kHz; what lies above full scale is cut.

    Raises:
        AudioError: when samples are not finite, or there are none.
    """
    content = BytesIO()
    with soundfile.SoundFile(
        content,
        "w",
        samplerate=_SAMPLE_RATE,
        channels=1,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=_COMPRESSION,
        bitrate_mode="VARIABLE",
    ) as file:
        for block in mono_blocks(blocks, sample_rate, _SAMPLE_RATE):
            file.write(np.clip(block, -1, 1))
    return content.getvalue()
