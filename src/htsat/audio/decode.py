"""Which decoder reads a file: libsndfile first, FFmpeg where it fails."""

from __future__ import annotations

import itertools
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from htsat.audio import libsndfile
from htsat.audio.blocks import check_sample_rate
from htsat.audio.protocol import DecodedAudio, Encoded, UndecodableError
from htsat.errors import AudioError
from htsat.scores import FloatArray

_LIBSNDFILE_SUFFIXES = """
    .aif .aifc .aiff .au .avr .caf .flac .mp1 .mp2 .mp3 .nist .oga .ogg .opus .paf .pvf .rf64 .sds .snd .sph
    .voc .w64 .wav .wave
"""
_FFMPEG_SUFFIXES = """
    .3g2 .3gp .aac .ac3 .amr .ape .asf .avi .dts .eac3 .f4v .flv .m2ts .m4a .m4b .m4v .mka .mkv .mov .mp4 .mpc
    .mpeg .mpg .mts .ogv .spx .tta .webm .wma .wmv .wv
"""
SUFFIXES = frozenset((_LIBSNDFILE_SUFFIXES + _FFMPEG_SUFFIXES).split())
"""Lower-case suffixes of the files that count as audio when a folder is searched."""


def decode(source: Encoded, resources: ExitStack) -> DecodedAudio:
    """Open a file with the first decoder that gets samples out of it; `resources` closes it.

    What comes before damage is kept, except where the header tells how much is missing (FLAC, WAV).

    Raises:
        AudioError: with the reason, without the name of the file.
        OSError: when the file is missing or must not be read.
    """
    if isinstance(source, Path):
        _check_file(source)
    elif not source.getbuffer():
        raise AudioError("is an empty file")
    try:
        audio = libsndfile.open_file(source, resources)
        # libsndfile ends where it guesses the end to be, which may be early.
        is_guess = audio.duration_s is not None and audio.n_frames is None
        if not is_guess or find_spec("av") is None:
            return _started(audio)
    except UndecodableError as error:
        if find_spec("av") is None:
            raise AudioError(f"{error}; more formats are read after pip install 'htsat[media]'") from error
    from htsat.audio import ffmpeg

    return _started(ffmpeg.open_file(source, resources))


def _check_file(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise AudioError("is not a file")
    if status.st_size == 0:
        raise AudioError("is an empty file")
    path.open("rb").close()


def _started(audio: DecodedAudio) -> DecodedAudio:
    """Decode the first block, so that a file without any is known at once."""
    first = next(audio.blocks, None)
    if first is None:
        raise UndecodableError("holds no audio samples")
    check_sample_rate(audio.sample_rate)
    return replace(audio, blocks=itertools.chain([first], _until_damage(audio.blocks)))


def _until_damage(blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
    with suppress(UndecodableError):
        yield from blocks
