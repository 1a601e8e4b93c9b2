"""A stretch of a recording at another sample rate, without decoding the rest.

The samples are those of the whole recording cut afterwards, within 3e-6 of full scale: decoding begins early
enough for codec and resampler to have forgotten their start, and at a frame that falls on an output sample.
A frame is one sample of each channel at the recording's own rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from math import gcd
from typing import NamedTuple

import numpy as np

from htsat.audio.blocks import mono_blocks
from htsat.audio.decode import decode
from htsat.audio.protocol import DecodedAudio, Encoded
from htsat.audio.stream import about, name_of
from htsat.errors import AudioError
from htsat.scores import FloatArray

_MARGIN_FRAMES = 8192
"""The largest block of Vorbis; MP3, Vorbis and Opus were exact with half of it, and are not without any."""
_MARGIN_S = 0.1
"""Five times what the resampler's filter needs at 8 kHz."""

MAX_STRETCH_S = 14_400
"""Four hours are 1.8 GB at 32 kHz. Longer recordings are listened to, but not held in memory."""

_NOTHING = np.zeros(0, np.float32)


class Stretch(NamedTuple):
    """So many samples at `sample_rate` from the sample `start` on; `n_samples` None means to the end."""

    sample_rate: int
    start: int = 0
    n_samples: int | None = None


def read_stretch(source: Encoded, stretch: Stretch) -> FloatArray:
    """Mono samples of a part of a recording. Shape: `(L,)`, shorter where the recording ends.

    Raises:
        AudioError: one line with the name when the recording cannot be read or ends before the stretch.
    """
    with ExitStack() as resources, about(name_of(source)):
        audio = decode(source, resources)
        return cut_stretch(lambda first, stop: _frames(audio, first, stop), audio.sample_rate, stretch)


def count_samples(source: Encoded, sample_rate: int) -> int:
    """Length of a recording at a sample rate, decoded only where its header does not tell.

    What FFmpeg reads may be longer by the padding of its codec than its header says.

    Raises:
        AudioError: one line with the name when the recording cannot be read.
    """
    with ExitStack() as resources, about(name_of(source)):
        audio = decode(source, resources)
        n_frames = audio.n_frames
        if n_frames is None:
            n_frames = sum(map(len, audio.blocks))
        return resampled_length(n_frames, audio.sample_rate, sample_rate)


def resampled_length(n_frames: int, rate_in: int, rate_out: int) -> int:
    """How many samples the resampler makes of so many frames."""
    return (2 * n_frames * rate_out + rate_in) // (2 * rate_in)


def cut_stretch(
    read: Callable[[int, int | None], Iterable[FloatArray]], rate_in: int, stretch: Stretch
) -> FloatArray:
    """Resample what `read(first_frame, stop_frame)` gives and cut the stretch out.

    Raises:
        AudioError: when nothing is left of it, when it is longer than four hours, or samples are not finite.
    """
    rate_out, start, n_samples = stretch
    margin = max(_MARGIN_FRAMES, round(_MARGIN_S * rate_in))
    # Output samples fall on frames only every so many frames; the resampler must begin at such a one.
    step_in, step_out = rate_in // gcd(rate_in, rate_out), rate_out // gcd(rate_in, rate_out)
    n_steps = max(0, start * rate_in // rate_out - margin) // step_in
    first = n_steps * step_in
    stop = None if n_samples is None else (start + n_samples) * rate_in // rate_out + 1 + margin
    blocks = (block for block in read(first, stop) if len(block))
    beginning = next(blocks, None)
    samples = _NOTHING
    if beginning is not None:
        samples = _joined(mono_blocks(chain([beginning], blocks), rate_in, rate_out), rate_out)
    n_early = start - n_steps * step_out
    cut = samples[n_early : None if n_samples is None else n_early + n_samples]
    if not len(cut):
        raise AudioError(f"ends before {start / rate_out:g} s")
    return cut


def _joined(blocks: Iterable[FloatArray], sample_rate: int) -> FloatArray:
    """All samples, unless there are too many: a few bytes hold hours of silence."""
    parts, n_samples = [], 0
    for block in blocks:
        parts.append(block)
        n_samples += len(block)
        if n_samples > MAX_STRETCH_S * sample_rate:
            longest = f"{MAX_STRETCH_S} s, the longest that is read as a whole"
            raise AudioError(f"lasts longer than {longest}; give a start and a duration")
    return np.concatenate(parts)


def _frames(audio: DecodedAudio, first: int, stop: int | None) -> Iterator[FloatArray]:
    """Frames `first` to `stop`, by a jump where that is possible, else by decoding what lies before."""
    blocks, n_before = audio.blocks, 0
    if first and audio.blocks_from is not None and audio.n_frames is not None:
        if first >= audio.n_frames:
            return
        blocks, n_before = audio.blocks_from(first), first
    for block in blocks:
        yield block[max(0, first - n_before) : None if stop is None else max(0, stop - n_before)]
        n_before += len(block)
        if stop is not None and n_before >= stop:
            return
