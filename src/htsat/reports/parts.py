"""A part of a recording as mono blocks at the recording's own sample rate, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from htsat.audio.decode import decode
from htsat.audio.protocol import DecodedAudio
from htsat.audio.stream import about
from htsat.errors import AudioError
from htsat.scores import FloatArray


class Part(NamedTuple):
    """From when to when of a recording; None is its end."""

    start_s: float = 0.0
    stop_s: float | None = None


WHOLE = Part()


class OpenPart(NamedTuple):
    """Mono blocks `(L,)` at `sample_rate`, to be taken once."""

    sample_rate: int
    blocks: Iterator[FloatArray]


@contextmanager
def open_part(path: Path, part: Part) -> Iterator[OpenPart]:
    """Open a part; what lies before it is not decoded where the format allows a jump.

    Raises:
        AudioError: one line with the name, here and from the blocks, when the recording cannot be read or
            ends before the part.
    """
    with ExitStack() as resources, about(str(path)):
        audio = decode(path, resources)
        yield OpenPart(audio.sample_rate, _samples(audio, part))


def _samples(audio: DecodedAudio, part: Part) -> Iterator[FloatArray]:
    first = round(part.start_s * audio.sample_rate)
    stop = None if part.stop_s is None else round(part.stop_s * audio.sample_rate)
    blocks, position = audio.blocks, 0
    if first and audio.blocks_from is not None and audio.n_frames is not None and first < audio.n_frames:
        blocks, position = audio.blocks_from(first), first
    has_begun = False
    for block in blocks:
        wanted = block[max(0, first - position) : None if stop is None else max(0, stop - position)]
        position += len(block)
        if len(wanted):
            has_begun = True
            yield wanted
        if stop is not None and position >= stop:
            break
    if not has_begun:
        raise AudioError(f"ends before {part.start_s:g} s")
