"""Decode with FFmpeg through PyAV (extra `media`): the formats and damaged files that libsndfile refuses."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from htsat.audio.blocks import mix_down
from htsat.audio.protocol import DecodedAudio, Encoded, UndecodableError
from htsat.errors import AudioError
from htsat.scores import FloatArray

_TIMED = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "asf", "ogg"}
"""Containers that store how long they are; of others FFmpeg guesses it from the size of the file."""


def open_file(source: Encoded, resources: ExitStack) -> DecodedAudio:
    """Open the first audio track of a file; `resources` closes it."""
    file = resources.enter_context(source.open("rb")) if isinstance(source, Path) else source
    file.seek(0)  # another decoder may have read in it
    # An open file and no protocol: a playlist must not lead to other files or addresses.
    options = {"protocol_whitelist": ""}
    try:
        container = resources.enter_context(av.open(file, "r", options=options, metadata_errors="replace"))
    except av.FFmpegError as error:
        raise _undecodable(error) from error
    if not container.streams.audio:
        raise AudioError("has no audio track")
    track = container.streams.audio[0]
    if track.codec_context is None:
        raise AudioError("has an audio track of an unknown codec")
    frames = _frames(container, track)
    first = next(frames, None)
    if first is None:
        raise UndecodableError("holds no audio samples")
    # The header of AAC may name half the rate of what comes out of the decoder.
    blocks = _blocks(itertools.chain([first], frames), first.sample_rate)
    duration_s = _duration_s(container, track)
    n_frames = None
    if duration_s is not None and container.format.name in _TIMED:
        n_frames = round(duration_s * first.sample_rate)
    return DecodedAudio(first.sample_rate, duration_s, blocks, n_frames)


def _duration_s(container: InputContainer, track: AudioStream) -> float | None:
    if track.duration and track.time_base:
        return float(track.duration * track.time_base)
    return container.duration / av.time_base if container.duration else None


def _blocks(frames: Iterable[AudioFrame], sample_rate: int) -> Iterator[FloatArray]:
    for frame in frames:
        if frame.sample_rate != sample_rate:
            raise AudioError(f"changes its sample rate from {sample_rate} to {frame.sample_rate} Hz")
        try:
            samples = frame.to_ndarray()
        except ValueError:
            raise AudioError(f"has samples of a type that is not read: {frame.format.name}") from None
        if frame.format.is_packed:
            samples = samples.reshape(-1, frame.layout.nb_channels).T
        yield mix_down(samples)


def _frames(container: InputContainer, track: AudioStream) -> Iterator[AudioFrame]:
    try:
        for packet in container.demux(track):
            with suppress(av.FFmpegError):  # a damaged packet; the next one may be sound
                yield from packet.decode()
    except av.FFmpegError as error:
        raise _undecodable(error) from error


def _undecodable(error: av.FFmpegError) -> UndecodableError:
    return UndecodableError(f"cannot be decoded ({error.strerror})")
