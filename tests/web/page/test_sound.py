from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.web.page.sound import media_type, needs_copy, wav_of

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (4000, 1))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"format": "WAV"}, "audio/wav"),
        ({"format": "WAV", "subtype": "PCM_24"}, "audio/wav"),
        ({"format": "WAV", "subtype": "FLOAT"}, "audio/wav"),
        ({"format": "WAV", "subtype": "DOUBLE"}, None),
        ({"format": "WAV", "subtype": "IMA_ADPCM"}, None),
        ({"format": "FLAC"}, "audio/flac"),
        ({"format": "OGG"}, "audio/ogg"),
        ({"format": "MP3"}, "audio/mpeg"),
        ({"format": "AIFF"}, None),
        ({"format": "AU"}, None),
        ({"format": "W64"}, None),
    ],
)
def test_what_browsers_play(tmp_path: Path, options: dict[str, str], expected: str | None) -> None:
    """The content says it; the name may be any."""
    path = tmp_path / "sound.xyz"
    soundfile.write(path, NOISE, 8000, **options)
    assert media_type(path) == expected
    assert needs_copy(path) or expected is not None


def test_many_channels_are_not_played(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 9)), 8000)
    assert media_type(tmp_path / "a.wav") is None


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x00\x00\x00\x20ftypM4A \x00", "audio/mp4"),
        (b"\x00\x00\x00\x20ftypisom\x00", "audio/mp4"),
        (b"\x00\x00\x00\x20ftyp3gp4\x00", None),
        (b"\x1aE\xdf\xa3\x01\x00\x42\x82\x84webm", "audio/webm"),
        (b"\x1aE\xdf\xa3\x01\x00\x42\x82\x88matroska", None),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"RIFF\x00\x00\x00\x00WAVE damaged", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_beginnings_of_files(tmp_path: Path, head: bytes, expected: str | None) -> None:
    (tmp_path / "a").write_bytes(head)
    assert media_type(tmp_path / "a") == expected


def test_wav_of_samples() -> None:
    samples, rate = soundfile.read(io.BytesIO(wav_of(np.array([0, 0.5, 1, -1, 3, -3], np.float32), 12_345)))
    assert rate == 12_345
    assert np.allclose(samples, [0, 0.5, 1, -1, 1, -1], atol=1e-4)
