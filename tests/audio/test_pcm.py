from __future__ import annotations

import io

import numpy as np
import pytest
import soxr

from htsat.audio import PcmFormat, pcm_blocks
from htsat.errors import AudioError, ConfigError

RATE = 8000


class Pipe(io.BytesIO):
    """A pipe that has only so many bytes whenever it is asked."""

    def __init__(self, content: bytes, n_bytes: int) -> None:
        super().__init__(content)
        self._n_bytes = n_bytes
        self.name = "<stdin>"

    def read1(self, size: int = -1) -> bytes:
        return super().read1(min(self._n_bytes, size))


def heard(content: bytes, pcm: PcmFormat, n_bytes: int = 4096, rate: int = RATE) -> np.ndarray:
    return np.concatenate(list(pcm_blocks(Pipe(content, n_bytes), pcm, rate)))


@pytest.fixture
def stereo() -> np.ndarray:
    """`(2, L)`."""
    return np.random.default_rng(0).uniform(-1, 1, (2, 3000)).astype(np.float32)


@pytest.mark.parametrize("n_bytes", [1, 3, 4096, 1 << 20])
def test_channels_are_averaged_however_the_bytes_arrive(stereo: np.ndarray, n_bytes: int) -> None:
    mono = heard(stereo.T.astype("<f4").tobytes(), PcmFormat(RATE, 2, "f32le"), n_bytes)
    np.testing.assert_array_equal(mono, stereo.mean(axis=0))


def test_integers_are_scaled() -> None:
    content = np.array([0, 16384, -32768, 32767], "<i2").tobytes()
    assert heard(content, PcmFormat(RATE)).tolist() == [0, 0.5, -1, 32767 / 32768]


@pytest.mark.parametrize("n_more", [1, 2, 3])
def test_half_a_sample_at_the_end_is_left_out(n_more: int) -> None:
    content = np.arange(8, dtype="<i2").tobytes()
    mono = heard(content + bytes(n_more), PcmFormat(RATE, 2), n_bytes=3)
    np.testing.assert_array_equal(mono * 32768, [0.5, 2.5, 4.5, 6.5])


def test_another_rate_is_resampled_as_in_a_whole(stereo: np.ndarray) -> None:
    mono = heard(stereo[0].tobytes(), PcmFormat(11_025, 1, "f32le"), n_bytes=700)
    np.testing.assert_allclose(mono, soxr.resample(stereo[0], 11_025, RATE), atol=1e-6)


def test_a_block_is_given_before_the_next_is_read() -> None:
    pipe = Pipe(bytes(100), 10)
    next(pcm_blocks(pipe, PcmFormat(RATE), RATE))
    assert pipe.tell() == 10


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is too short: less than one sample at 8000 Hz"),
        (b"\0", "is too short: less than one sample at 8000 Hz"),
        (b"RIFF\x24\0\0\0WAVE", "is a WAV file, expected bare samples; htsat detect reads files"),
        (b"OggS" + bytes(40), "is an Ogg file, expected bare samples; htsat detect reads files"),
    ],
)
def test_what_is_not_samples_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(AudioError) as caught:
        heard(content, PcmFormat(RATE))
    assert str(caught.value) == f"<stdin>: {reason}"


def test_the_wrong_encoding_is_noticed_where_it_gives_no_sound() -> None:
    content = np.full(4000, -100, "<i2").tobytes()
    with pytest.raises(AudioError, match=r"<stdin>: contains NaN or infinite samples \(first at 0.000 s\)"):
        heard(content, PcmFormat(RATE, 1, "f32le"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((99,), "expected a sample rate of 100 to 10000000 Hz, got 99"),
        ((RATE, 0), "expected 1 to 1024 channels, got 0"),
        ((RATE, 1, "u8"), "expected an encoding of s16le, f32le, got 'u8'"),
    ],
)
def test_formats_out_of_range(arguments: tuple, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ConfigError) as caught:
        PcmFormat(*arguments)
    assert str(caught.value) == message
