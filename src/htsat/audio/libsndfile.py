"""Decode with libsndfile: WAV, FLAC, Ogg, MP3, AIFF and their relatives."""

from __future__ import annotations

import re
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

_SHORT_DATA = re.compile(r"data : (?P<promised>\d+) \(should be (?P<there>\d+)\)")
_UNSET_BYTES = 0x7FFF0000

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


def _blocks(file: soundfile.SoundFile) -> Iterator[FloatArray]:
    n_promised, n_read = _promised_frames(file), 0
    while True:
        try:
            samples = file.read(_READ_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            if not n_read:
                raise _undecodable(error) from error
            break
        if not len(samples):
            break
        n_read += len(samples)
        yield mix_down(samples.T)
    if 0 < n_read < n_promised:
        there_s, promised_s = n_read / file.samplerate, n_promised / file.samplerate
        raise AudioError(f"is cut off: {there_s:.2f} s of {promised_s:.2f} s can be decoded")


def _undecodable(error: soundfile.LibsndfileError) -> UndecodableError:
    return UndecodableError(f"cannot be decoded ({error.error_string.removeprefix('Error : ').rstrip('.')})")
