"""Decoders and the resampler, each proven on a small sound that is written here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from htsat.doctor.findings import Check, Finding
from htsat.errors import last_line
from htsat.scores import FloatArray

_RATE_HZ = 48_000
_TONE_HZ = 440.0
_TONE_S = 0.5
_MODEL_RATE_HZ = 32_000


class _Format(NamedTuple):
    """A format as people call it, and as libsndfile does."""

    name: str
    suffix: str
    major: str
    subtype: str


_FORMATS = (
    _Format("WAV", ".wav", "WAV", "PCM_16"),
    _Format("FLAC", ".flac", "FLAC", "PCM_16"),
    _Format("Ogg Vorbis", ".ogg", "OGG", "VORBIS"),
    _Format("MP3", ".mp3", "MP3", "MPEG_LAYER_III"),
    _Format("Opus", ".opus", "OGG", "OPUS"),
)


def numbers(check: Check) -> list[Finding]:
    """Whether numpy computes."""
    if abs(float(np.linalg.norm(_tone())) - 0.5 * np.sqrt(_RATE_HZ * _TONE_S / 2)) > 1e-2:
        return check.broken(f"numpy {np.__version__} computes wrongly")
    return check.ok(f"numpy {np.__version__}")


def libsndfile(check: Check) -> list[Finding]:
    """Which formats it decodes; without WAV nothing else counts."""
    import soundfile

    problems = {each.name: problem for each in _FORMATS if (problem := _problem(each))}
    version = f"soundfile {soundfile.__version__}, libsndfile {soundfile.__libsndfile_version__}"
    decoded = [each.name for each in _FORMATS if each.name not in problems]
    detail = f"{version}: decodes {', '.join(decoded) or 'nothing'}"
    first = check.broken(detail) if "WAV" in problems else check.ok(detail)
    return [*first, *(Finding(name, "broken", problem, check.fix) for name, problem in problems.items())]


def resampling(check: Check) -> list[Finding]:
    """Whether a tone stays itself at another sample rate."""
    import soxr

    other = soxr.resample(_tone(), _RATE_HZ, _MODEL_RATE_HZ)
    _require_tone(other, _MODEL_RATE_HZ)
    return check.ok(f"soxr {soxr.__version__}")


def ffmpeg(check: Check) -> list[Finding]:
    """Whether PyAV decodes what libsndfile cannot."""
    import av

    _round_trip(".m4a", _write_aac)
    version = getattr(av, "ffmpeg_version_info", "")
    return check.ok(f"PyAV {av.__version__}, FFmpeg {version}: decodes m4a, mp4, webm, wma, video")


def _problem(each: _Format) -> str:
    import soundfile

    def write(path: Path) -> None:
        soundfile.write(path, _tone(), _RATE_HZ, format=each.major, subtype=each.subtype)

    try:
        _round_trip(each.suffix, write)
    except Exception as error:  # whatever a build of the library raises is what is to be told
        return last_line(error)
    return ""


def _round_trip(suffix: str, write: Callable[[Path], None]) -> None:
    """Write a tone and listen to it in the way that recordings are read."""
    from htsat.audio import load_audio

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tone{suffix}"
        write(path)
        _require_tone(load_audio(path, _RATE_HZ), _RATE_HZ)


def _write_aac(path: Path) -> None:
    import av

    with av.open(path, "w") as container:
        track = container.add_stream("aac", rate=_RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray(_tone()[None], "fltp", "mono")
        frame.sample_rate = _RATE_HZ
        container.mux(track.encode(frame))
        container.mux(track.encode(None))


def _tone() -> FloatArray:
    tone = 0.5 * np.sin(2 * np.pi * _TONE_HZ * np.arange(_RATE_HZ * _TONE_S) / _RATE_HZ)
    return tone.astype(np.float32)


def _require_tone(sound: FloatArray, rate_hz: int) -> None:
    """Refuse a sound that is not the tone: too short, or of another pitch."""
    if len(sound) < 0.9 * _TONE_S * rate_hz:
        raise ValueError(f"{len(sound) / rate_hz:.3f} s of {_TONE_S} s came back")
    strongest_hz = float(np.argmax(np.abs(np.fft.rfft(sound)))) * rate_hz / len(sound)
    if abs(strongest_hz - _TONE_HZ) > 5.0:
        raise ValueError(f"a tone of {_TONE_HZ:g} Hz came back as {strongest_hz:.0f} Hz")
