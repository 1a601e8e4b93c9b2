from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.audio import array_blocks, load_audio, open_audio
from htsat.errors import AudioError
from htsat.scores import FloatArray

Noise = Callable[[int], FloatArray]


@pytest.fixture
def recording(tmp_path: Path, noise: Noise) -> Path:
    """12 s of stereo noise at 11025 Hz."""
    path = tmp_path / "noise.wav"
    soundfile.write(path, noise(2 * 12 * 11_025).reshape(-1, 2), 11_025, subtype="FLOAT")
    return path


def test_blocks_put_together_are_the_whole_file(recording: Path) -> None:
    with open_audio(recording, 16_000) as stream:
        blocks = list(stream.blocks())
        assert stream.duration_s == 12
    np.testing.assert_array_equal(np.concatenate(blocks), load_audio(recording, 16_000))
    assert sum(map(len, blocks)) == 12 * 16_000
    assert all(block.dtype == np.float32 for block in blocks)


def test_no_block_grows_with_the_file(recording: Path) -> None:
    with open_audio(recording, 16_000) as stream:
        assert all(0 < len(block) < 2 * 16_000 for block in stream.blocks())


def test_a_file_and_its_samples_give_the_same_blocks(recording: Path) -> None:
    samples, rate = soundfile.read(recording, dtype="float32")
    with open_audio(recording, 16_000) as stream:
        for from_file, from_array in zip(stream.blocks(), array_blocks(samples.T, rate, 16_000), strict=True):
            np.testing.assert_array_equal(from_file, from_array)


class Pipe(io.RawIOBase):
    """Bytes that can be read once and not be sought, as from standard input."""

    name = "<stdin>"

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        return self._data.readinto(buffer)


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_pipe_is_read_like_a_file(recording: Path, spool: Path) -> None:
    with open_audio(io.BufferedReader(Pipe(recording.read_bytes())), 16_000) as stream:
        np.testing.assert_array_equal(np.concatenate(list(stream.blocks())), load_audio(recording, 16_000))
        assert list(spool.iterdir())
    assert not list(spool.iterdir())


def test_a_bad_pipe_is_named_and_cleaned_up(spool: Path) -> None:
    with pytest.raises(AudioError, match=r"^<stdin>: is an empty file$"):
        open_audio(io.BufferedReader(Pipe(b"")), 16_000)
    with pytest.raises(AudioError, match=r"^stream: cannot be decoded \("):
        open_audio(io.BytesIO(bytes(100)), 16_000)
    assert not list(spool.iterdir())


def test_errors_while_reading_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.wav"
    soundfile.write(path, np.array([0.0] * 100 + [np.nan]), 100, subtype="FLOAT")
    with (
        open_audio(path, 200) as stream,
        pytest.raises(AudioError, match=r"bad\.wav: contains NaN .* 1\.0"),
    ):
        list(stream.blocks())


def test_a_closed_file_is_not_taken_for_an_end(recording: Path) -> None:
    with open_audio(recording, 11_025) as stream:
        blocks = stream.blocks()
        next(blocks)
    with pytest.raises(soundfile.SoundFileError, match="closed"):
        list(blocks)


def test_integer_arrays_are_scaled() -> None:
    (block,) = array_blocks(np.array([[-32_768, 0], [0, 16_384]], np.int16), 1000, 1000)
    np.testing.assert_array_equal(block, [-0.5, 0.25])


def test_a_vector_is_mono(noise: Noise) -> None:
    np.testing.assert_array_equal(np.concatenate(list(array_blocks(noise(3000), 1000, 1000))), noise(3000))


@pytest.mark.parametrize("shape", [(), (2, 3, 4), (0, 5), (44_100, 2)])
def test_arrays_of_other_shapes_are_refused_at_once(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match=r"^waveform: expected shape \(L,\) or \(n_channels, L\), got \("):
        array_blocks(np.zeros(shape), 1000, 1000)


@pytest.mark.parametrize(
    ("waveform", "rate", "reason"),
    [
        (np.zeros(0), 1000, "holds no audio samples"),
        (np.zeros(5, np.int64), 1000, "expected float samples or integers of up to 32 bits, got int64"),
        (np.zeros(5), 0, "expected a sample rate of 100 to 10000000 Hz, got 0 Hz"),
    ],
)
def test_arrays_that_are_no_sound_are_refused_at_once(waveform: FloatArray, rate: int, reason: str) -> None:
    with pytest.raises(AudioError, match=f"^waveform: {reason}$"):
        array_blocks(waveform, rate, 1000)


def test_arrays_with_nan_are_refused() -> None:
    with pytest.raises(AudioError, match=r"^waveform: contains NaN or infinite samples \(first at 0\.001"):
        list(array_blocks(np.array([0, np.nan]), 1000, 1000))
    with pytest.raises(AudioError, match=r"^waveform: contains NaN or infinite"):
        list(array_blocks(np.array([[1e300], [-np.inf]]), 1000, 1000))
