"""The sound itself: what browsers play, a copy for what they do not, and stretches of it as WAV.

Axes: L samples.
"""

from __future__ import annotations

import io
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from htsat.audio import SUFFIXES, Stretch, read_stretch
from htsat.audio.decode import decode
from htsat.scores import FloatArray
from htsat.web.page.names import file_name

WAV = "audio/wav"

_HEAD_BYTES = 4096
_WAV_SUBTYPES = frozenset(("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW", "ALAW"))
_WAV_CHANNELS = 8
_MP4_BRANDS = frozenset((b"M4A ", b"M4B ", b"mp41", b"mp42", b"isom", b"iso2", b"iso5", b"iso6", b"dash"))
_SUFFIXES = {
    WAV: ".wav",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/webm": ".webm",
}
_MP3_STARTS = frozenset((0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2))
_MAX_COPY_SAMPLES = (2**32 - 2**16) // 2
"""A WAV file says in four bytes how long it is."""


def media_type(path: Path) -> str | None:
    """What browsers are told of a file that they play; None where they do not. Its name does not matter.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return WAV if _is_plain_wav(path) else None
    if head[4:8] == b"ftyp" and head[8:12] in _MP4_BRANDS:
        return "audio/mp4"
    if head[:4] == b"\x1aE\xdf\xa3" and b"webm" in head[:64]:
        return "audio/webm"
    if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] and head[1] in _MP3_STARTS):
        return "audio/mpeg"
    return {b"fLaC": "audio/flac", b"OggS": "audio/ogg"}.get(head[:4])


def recording_name(path: Path, name: str) -> str:
    """A name for a file that says that it is a recording: others are not learned from.

    `name` is what its sender calls it, which may have no suffix or any.
    """
    safe = file_name(name)
    suffix = _SUFFIXES.get(media_type(path) or "", "")
    return safe if Path(safe).suffix.lower() in SUFFIXES else safe + suffix


def _is_plain_wav(path: Path) -> bool:
    with suppress(soundfile.LibsndfileError), path.open("rb") as file, soundfile.SoundFile(file) as sound:
        return sound.subtype in _WAV_SUBTYPES and sound.channels <= _WAV_CHANNELS
    return False


def needs_copy(path: Path) -> bool:
    """Whether browsers do not play a recording, or a stretch of it is not to be had without what is before.

    Raises:
        AudioError: when it cannot be decoded.
        OSError: when it cannot be read.
    """
    if media_type(path) is None:
        return True
    with ExitStack() as resources:
        return decode(path, resources).blocks_from is None


class CopyWriter:
    """Writes a recording as WAV PCM16, mono; gives up what would be too long for one."""

    def __init__(self, path: Path, sample_rate: int) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.part")
        self._n_samples = 0
        self._file = soundfile.SoundFile(
            str(self._partial), "w", sample_rate, channels=1, subtype="PCM_16", format="WAV"
        )

    def push(self, block: FloatArray) -> None:
        """Take the next samples `(L,)`."""
        self._n_samples += len(block)
        if self._n_samples <= _MAX_COPY_SAMPLES:
            self._file.write(_pcm(block))

    def finish(self) -> None:
        """The recording has ended."""
        self._file.close()
        if self._n_samples <= _MAX_COPY_SAMPLES:
            self._partial.replace(self._path)

    def close(self) -> None:
        """Leave nothing that is not whole."""
        self._file.close()
        self._partial.unlink(missing_ok=True)


def wav_of(samples: FloatArray, sample_rate: int) -> bytes:
    """Samples `(L,)` as a WAV file, PCM16."""
    content = io.BytesIO()
    soundfile.write(content, _pcm(samples), sample_rate, subtype="PCM_16", format="WAV")
    return content.getvalue()


def _pcm(samples: FloatArray) -> NDArray[np.int16]:
    """Samples in 16 bits; what is louder than full scale is cut off."""
    whole: NDArray[np.int16] = np.rint(np.clip(samples, -1, 1) * np.float32(2**15 - 1)).astype(np.int16)
    return whole


def samples_between(path: Path, sample_rate: int, start: int, stop: int) -> FloatArray:
    """Samples `start` to `stop` of a recording that has them. Shape: `(stop - start,)`.

    Raises:
        AudioError: when it cannot be decoded, or ends before.
    """
    samples = np.zeros(stop - start, np.float32)
    if stop > start:
        found = read_stretch(path, Stretch(sample_rate, start, stop - start))
        samples[: len(found)] = found
    return samples
