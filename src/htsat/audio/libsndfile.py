"""Decode with libsndfile: WAV, FLAC, Ogg, MP3, AIFF and their relatives."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO

import soundfile

from htsat.audio.blocks import mix_down
from htsat.audio.protocol import DecodedAudio, Encoded, UndecodableError
from htsat.errors import AudioError
from htsat.scores import FloatArray

_READ_FRAMES = 4096
"""Samples of one read. What is decoded before an error within a read is lost, so reads are short."""

_SHORT_DATA = re.compile(r"data : (?P<promised>\d+) \(should be (?P<there>\d+)\)")
_UNSET_BYTES = 0x7FFF0000

_COUNT_WITHIN = 256
"""Bytes from the start of an MP3 frame within which the number of frames stands."""

_MPEG1_HZ = 32_000
"""After a jump in MP3 of a lower rate libmpg123 complains on standard error that it misses earlier frames."""

_PAGE_BYTES = 65_307
"""The largest page of an Ogg file."""

_LOUD_FORMATS = ("SDS",)
"""Dumps of samplers: of damaged ones libsndfile complains on standard output, in the middle of results."""

_FORKS = ("._{}", ".AppleDouble/{}")
"""What macOS and its servers leave beside a file on foreign disks.

Where libsndfile finds one by the name of a file it takes it for a part of the recording, and MP3 for samples.
"""

_UNKNOWN_FRAMES = 2**63 - 1
"""What libsndfile reports for a FLAC stream whose header gives no length."""


class _ForwardReader(soundfile.SoundFile):  # type: ignore[misc]  # (soundfile has no types)
    """A sound file that is only read forwards from where it stands.

    soundfile seeks after each read of a seekable file, which fails at the end of FLAC streams of unknown
    length and just before the damage in FLAC files that were cut off.
    """

    def seekable(self) -> bool:
        return False

    def can_jump(self) -> bool:
        return bool(super().seekable())


def open_file(source: Encoded, resources: ExitStack) -> DecodedAudio:
    """Open a file; `resources` closes it."""
    try:
        file = resources.enter_context(_ForwardReader(_readable(source, resources)))
    except soundfile.LibsndfileError as error:
        raise _undecodable(error) from error
    except TypeError as error:  # soundfile asks for the sample rate of `.raw` files
        raise AudioError("holds samples without a header, so that their rate and type are unknown") from error
    if file.format in _LOUD_FORMATS:
        raise UndecodableError(f"{file.format_info} is not read")
    duration_s = None if file.frames == _UNKNOWN_FRAMES else file.frames / file.samplerate
    if file.frames == _UNKNOWN_FRAMES or (file.format == "MP3" and not _is_counted(source)):
        return DecodedAudio(file.samplerate, duration_s, _blocks(file))
    if not file.can_jump() or (file.format == "MP3" and file.samplerate < _MPEG1_HZ):
        return DecodedAudio(file.samplerate, duration_s, _blocks(file), file.frames)
    last_jump = file.frames - (_last_page_frames(source) if file.subtype == "VORBIS" else 0)
    jump = partial(_blocks, file, last_jump=last_jump)
    return DecodedAudio(file.samplerate, duration_s, _blocks(file), file.frames, jump)


class _Steady(BufferedReader):
    """Bytes that stay where they are when a damaged header leads nowhere: soundfile prints what is raised."""

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with suppress(ValueError, OverflowError, OSError):
            return super().seek(offset, whence)
        return self.tell()


def _readable(source: Encoded, resources: ExitStack) -> bytes | Path | BinaryIO:
    if not isinstance(source, Path):
        return _Steady(BytesIO(source.getvalue()))
    if any((source.parent / fork.format(source.name)).exists() for fork in _FORKS):
        return resources.enter_context(_Steady(FileIO(os.fspath(source))))
    # soundfile itself cannot pass a name on that is no text.
    return os.fsencode(source) if os.name == "posix" else source


def _is_counted(source: Encoded) -> bool:
    """Whether an MP3 file says how long it is; else libsndfile guesses from the size of the first frame."""
    with _raw(source) as file:
        head = file.read(10)
        while head[:3] == b"ID3":  # tags, with their length in four times seven bits
            # Not strict: a file that is cut off within the tag has fewer bytes, and nothing behind them.
            size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
            file.seek(size, os.SEEK_CUR)
            head = file.read(10)
        frame = head + file.read(_COUNT_WITHIN)
    return any(tag in frame for tag in (b"Xing", b"Info", b"VBRI"))


def _last_page_frames(source: Encoded) -> int:
    """Frames of the last page of an Ogg file: libvorbis loses its place when it seeks into that one."""
    with _raw(source) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 2 * _PAGE_BYTES))
        tail = file.read()
    pages = [found.start() for found in re.finditer(b"OggS", tail)]
    ends = [int.from_bytes(tail[page + 6 : page + 14], "little", signed=True) for page in pages]
    finished = [end for end in ends if end >= 0]  # -1: no packet ends in the page
    return max(0, finished[-1] - finished[-2]) if len(finished) > 1 else _UNKNOWN_FRAMES


def _raw(source: Encoded) -> BinaryIO:
    return source.open("rb") if isinstance(source, Path) else BytesIO(source.getvalue())


def _promised_frames(file: soundfile.SoundFile) -> int:
    """How many samples the header promises, where it is to be trusted: FLAC and WAV.

    Of a WAV file libsndfile counts what is there, and tells in its log when the header says more. Recorders
    that were switched off leave 0 or the largest number there, which promise nothing.
    """
    if file.format == "FLAC" and file.frames != _UNKNOWN_FRAMES:
        return int(file.frames)
    told = _SHORT_DATA.search(file.extra_info)
    if file.format not in ("WAV", "WAVEX") or told is None or int(told["promised"]) >= _UNSET_BYTES:
        return 0
    return int(file.frames * int(told["promised"]) / max(1, int(told["there"])))


def _blocks(
    file: soundfile.SoundFile, first_frame: int = 0, last_jump: int = _UNKNOWN_FRAMES
) -> Iterator[FloatArray]:
    """Blocks from a frame on; the file is sought only as far as `last_jump`."""
    n_promised, n_read = _promised_frames(file), max(0, min(first_frame, last_jump))
    if first_frame:
        try:
            file.seek(n_read)
            n_read += _skip(file, first_frame - n_read)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"cannot be decoded from {first_frame / file.samplerate:.2f} s on") from error
    while True:
        try:
            samples = file.read(_READ_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            if n_read == first_frame:
                raise _undecodable(error) from error
            break
        if not len(samples):
            break
        n_read += len(samples)
        yield mix_down(samples.T)
    if 0 < n_read < n_promised:
        there_s, promised_s = n_read / file.samplerate, n_promised / file.samplerate
        raise AudioError(f"is cut off: {there_s:.2f} s of {promised_s:.2f} s can be decoded")


def _skip(file: soundfile.SoundFile, n_frames: int) -> int:
    """Read past so many frames; returns how many there were, fewer where a header lies."""
    n_skipped = 0
    while n_skipped < n_frames:
        n_read = len(file.read(min(_READ_FRAMES, n_frames - n_skipped)))
        if not n_read:
            break
        n_skipped += n_read
    return n_skipped


def _undecodable(error: soundfile.LibsndfileError) -> UndecodableError:
    return UndecodableError(f"cannot be decoded ({error.error_string.removeprefix('Error : ').rstrip('.')})")
