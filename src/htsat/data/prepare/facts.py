"""What one recording is: rate, channels and length from its header; level and digest from its samples.

Recordings are decoded as training decodes them, mixed down to mono, but at their own sample rate.
Axes: L samples.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from htsat.audio.blocks import mono_blocks
from htsat.audio.decode import decode
from htsat.data.manifest import Clip, Row
from htsat.errors import AudioError
from htsat.scores import FloatArray

FULL_SCALE = 0.99
"""Samples from here on count as clipped; 8-bit samples end at 0.992, 16-bit ones at 0.99997."""

_DIGEST_BYTES = 16


class Level(NamedTuple):
    """Largest sample, and the share of samples at full scale."""

    peak: float
    clipped_share: float


class Facts(NamedTuple):
    """One recording.

    `duration_s` is None where the header does not tell; `level` and `digest` (of the samples and their rate)
    are None where the samples were not looked at.
    """

    sample_rate: int
    n_channels: int
    duration_s: float | None
    level: Level | None = None
    digest: bytes | None = None


class Examined(NamedTuple):
    """A clip with its facts, or with the reason why it has none."""

    clip: Clip
    facts: Facts | None
    problem: str = ""


Measure = Callable[[Path], Facts]
"""How much is looked at: `header_facts` or `sample_facts`."""


def header_facts(path: Path) -> Facts:
    """What the header says, of a recording whose beginning can be decoded.

    Raises:
        AudioError: with the reason, without the name of the file.
    """
    with ExitStack() as resources:
        audio = decode(path, resources)
        return Facts(audio.sample_rate, _n_channels(path), audio.duration_s)


def sample_facts(path: Path) -> Facts:
    """What all samples say; raises as `header_facts` does, and for samples that are not finite."""
    with ExitStack() as resources:
        audio = decode(path, resources)
        blocks = mono_blocks(audio.blocks, audio.sample_rate, audio.sample_rate)
        return _facts_of(blocks, audio.sample_rate, _n_channels(path))


def examine(clips: Sequence[Clip], measure: Measure) -> list[Examined]:
    """The facts of each clip; a table is opened once for neighbouring rows of it."""
    if not isinstance(clips[0].place, Row):
        return [_examine(clip, clip.path, measure) for clip in clips]
    from htsat.data.prepare.tables import examine_rows

    return examine_rows(clips, measure)


def _examine(clip: Clip, path: Path, measure: Measure) -> Examined:
    try:
        return Examined(clip, measure(path))
    except AudioError as error:
        return Examined(clip, None, str(error))
    except OSError as error:
        return Examined(clip, None, error.strerror or str(error))


def examine_bytes(clip: Clip, content: bytes | None, measure: Measure) -> Examined:
    """The facts of a clip whose file lies in memory."""
    if not content:
        return Examined(clip, None, "holds no bytes")
    with tempfile.NamedTemporaryFile(prefix="htsat-") as file:  # decoders seek, and FFmpeg wants a file
        file.write(content)
        file.flush()
        return _examine(clip, Path(file.name), measure)


def examine_samples(clip: Clip, samples: FloatArray, sample_rate: int) -> Examined:
    """The facts of a clip of which the samples `(L,)` are at hand."""
    return Examined(clip, _facts_of([samples], sample_rate, 1))


def _n_channels(path: Path) -> int:
    try:
        with path.open("rb") as file:  # a name need not be text
            return int(soundfile.info(file).channels)
    except soundfile.LibsndfileError:
        import av

        with av.open(path, "r", metadata_errors="replace") as container:
            return int(container.streams.audio[0].codec_context.layout.nb_channels)


def _facts_of(blocks: Iterable[FloatArray], sample_rate: int, n_channels: int) -> Facts:
    digest = hashlib.blake2b(str(sample_rate).encode(), digest_size=_DIGEST_BYTES)
    n_samples, n_clipped, peak = 0, 0, 0.0
    for block in blocks:
        magnitude = np.abs(block)
        digest.update(block.tobytes())
        n_samples += len(block)
        n_clipped += int(np.count_nonzero(magnitude >= FULL_SCALE))
        peak = max(peak, float(magnitude.max()))
    level = Level(peak, n_clipped / n_samples)
    return Facts(sample_rate, n_channels, n_samples / sample_rate, level, digest.digest())
