"""A recording with all its channels, which listening mixes down: blocks at its own sample rate.

C channels, L samples of each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from htsat.audio.decode import decode
from htsat.scores import FloatArray

_BLOCK_FRAMES = 16_384
_MARGIN_FRAMES = 8192
"""Decoded before a jump's aim: the codec has then forgotten where it began."""
_OGG_PAGE_FRAMES = 255 * 4096
"""At most in the last page of an Ogg file, where libvorbis loses its place."""
_PRECISE = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")


class Block(NamedTuple):
    """Samples `(L, C)` that begin at the frame `first` of the recording."""

    first: int
    samples: FloatArray


class ChannelSource(NamedTuple):
    """An open recording. `blocks` gives blocks from a frame on, or from an earlier one.

    `n_bits` are those that keep what it holds: 16 or 24. Where it cannot jump, `blocks` is called once.
    """

    sample_rate: int
    n_bits: int
    can_jump: bool
    blocks: Callable[[int], Iterator[Block]]


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]  # (soundfile has no types)
    """A file in which soundfile does not seek after each read, which fails at the end of some."""

    def seekable(self) -> bool:
        return False


def open_channels(path: Path, resources: ExitStack) -> ChannelSource:
    """Open a recording with the decoder that reads it; `resources` closes it.

    Raises:
        AudioError: with the reason, without the name of the file.
        OSError: when the file is missing or must not be read.
    """
    with ExitStack() as look:
        can_jump = decode(path, look).blocks_from is not None
    name = os.fsencode(path) if os.name == "posix" else path  # soundfile takes no name that is no text
    try:
        file = resources.enter_context(_ForwardFile(name))
    except soundfile.LibsndfileError:
        return _open_with_ffmpeg(path, resources)
    n_bits = 24 if file.subtype in _PRECISE else 16
    return ChannelSource(file.samplerate, n_bits, can_jump, lambda first: _blocks(file, first, can_jump))


def _blocks(file: soundfile.SoundFile, aim: int, can_jump: bool) -> Iterator[Block]:
    """What can be decoded: what lies behind damage is left out."""
    first = 0
    if can_jump:
        last_jump = file.frames - (_OGG_PAGE_FRAMES if file.format == "OGG" else 0)
        first = max(0, min(aim - _MARGIN_FRAMES, last_jump))
        file.seek(first)
    with suppress(soundfile.LibsndfileError):
        while len(samples := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
            yield Block(first, samples)
            first += len(samples)


def _open_with_ffmpeg(path: Path, resources: ExitStack) -> ChannelSource:
    import av

    container = resources.enter_context(
        av.open(
            resources.enter_context(path.open("rb")),
            "r",
            options={"protocol_whitelist": ""},  # a playlist must not lead to other files
            metadata_errors="replace",
        )
    )
    track = container.streams.audio[0]
    resampler = av.AudioResampler(format="flt", layout=track.layout, rate=track.rate)

    def blocks(_: int) -> Iterator[Block]:
        first = 0
        with suppress(av.FFmpegError):
            for frame in container.decode(track):
                for part in resampler.resample(frame):
                    samples = part.to_ndarray().reshape(-1, part.layout.nb_channels)
                    yield Block(first, np.ascontiguousarray(samples))
                    first += len(samples)

    return ChannelSource(track.rate, 16, can_jump=False, blocks=blocks)
