"""Decode with libsndfile: WAV, FLAC, Ogg, MP3, AIFF and their relatives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import soundfile

from htsat.audio.blocks import mix_down
from htsat.audio.protocol import DecodedAudio, UndecodableError
from htsat.errors import AudioError
from htsat.scores import FloatArray

_READ_FRAMES = 4096
"""Samples of one read. What is decoded before an error within a read is lost, so reads are short."""

_UNKNOWN_FRAMES = 2**63 - 1
"""What libsndfile reports for a FLAC stream whose header gives no length."""


class _ForwardReader(soundfile.SoundFile):  # type: ignore[misc]  # (soundfile has no types)
    """A sound file that is only read forwards.

    soundfile seeks after each read of a seekable file, which fails at the end of FLAC streams of unknown
    length and just before the damage in FLAC files that were cut off.
    """

    def seekable(self) -> bool:
        return False


def open_file(path: Path, resources: ExitStack) -> DecodedAudio:
    """Open a file; `resources` closes it."""
    try:
        file = resources.enter_context(_ForwardReader(path))
    except soundfile.LibsndfileError as error:
        raise _undecodable(error) from error
    except TypeError as error:  # soundfile asks for the sample rate of `.raw` files
        raise AudioError("holds samples without a header, so that their rate and type are unknown") from error
    duration_s = None if file.frames == _UNKNOWN_FRAMES else file.frames / file.samplerate
    return DecodedAudio(file.samplerate, duration_s, _blocks(file))


def _blocks(file: soundfile.SoundFile) -> Iterator[FloatArray]:
    while True:
        try:
            samples = file.read(_READ_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _undecodable(error) from error
        if not len(samples):
            return
        yield mix_down(samples.T)


def _undecodable(error: soundfile.LibsndfileError) -> UndecodableError:
    return UndecodableError(f"cannot be decoded ({error.error_string.removeprefix('Error : ').rstrip('.')})")
