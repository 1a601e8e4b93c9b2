from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.audio import Stretch, count_samples, load_audio, read_stretch
from htsat.errors import AudioError
from htsat.scores import FloatArray

RATE = 32_000
TOLERANCE = 3e-6

Noise = Callable[[int], FloatArray]
WriteMedia = Callable[..., Path]


def stretches(n_samples: int) -> list[Stretch]:
    """Beginning, middles and end of a recording of `n_samples`."""
    rng = np.random.default_rng(1)
    middles = [Stretch(RATE, int(rng.integers(n_samples - 5000)), 5000) for _ in range(10)]
    ends = [Stretch(RATE, n_samples - n) for n in (1, 100, 3000, 9000)]
    return [Stretch(RATE), Stretch(RATE, 0, 7), *middles, *ends]


def assert_is_cut(path: Path, tolerance: float = TOLERANCE) -> None:
    """Stretches read alone are those of the whole recording."""
    whole = load_audio(path, RATE)
    for stretch in stretches(len(whole)):
        stop = None if stretch.n_samples is None else stretch.start + stretch.n_samples
        alone = read_stretch(path, stretch)
        np.testing.assert_allclose(alone, whole[stretch.start : stop], rtol=0, atol=tolerance)


@pytest.mark.parametrize("rate", [8000, 32_000, 44_100, 44_056])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".aiff"])
def test_a_stretch_is_that_of_the_whole(tmp_path: Path, noise: Noise, suffix: str, rate: int) -> None:
    if (suffix, rate) == (".mp3", 44_056):
        rate = 48_000  # MP3 has only the usual rates
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, noise(3 * rate), rate)
    assert_is_cut(path)


def test_a_stretch_of_opus(tmp_path: Path, noise: Noise, write_media: WriteMedia) -> None:
    soundfile.write(tmp_path / "a.opus", noise(3 * 48_000), 48_000, format="OGG", subtype="OPUS")
    assert_is_cut(tmp_path / "a.opus")
    assert_is_cut(write_media("b.opus", noise(3 * 48_000), 48_000, "libopus"))


def test_a_stretch_of_a_stereo_file(tmp_path: Path, noise: Noise) -> None:
    soundfile.write(tmp_path / "a.flac", noise(6 * 44_100).reshape(-1, 2), 44_100)
    assert_is_cut(tmp_path / "a.flac")


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.webm", "libopus"), ("a.aac", "aac")])
def test_a_stretch_where_ffmpeg_decodes(write_media: WriteMedia, noise: Noise, name: str, codec: str) -> None:
    assert_is_cut(write_media(name, noise(3 * 48_000), 48_000, codec))


def test_what_cannot_be_sought_is_decoded_from_the_start(tmp_path: Path, noise: Noise) -> None:
    soundfile.write(tmp_path / "gsm.wav", noise(3 * 8000), 8000, subtype="GSM610")
    assert_is_cut(tmp_path / "gsm.wav")


def uncounted_mp3(write_media: WriteMedia, waveform: FloatArray) -> Path:
    """An MP3 file that does not say how long it is."""
    path = write_media("a.mp3", waveform, 44_100, "libmp3lame")
    data = path.read_bytes()
    assert b"Info" in data or b"Xing" in data
    path.write_bytes(data.replace(b"Info", bytes(4)).replace(b"Xing", bytes(4)))
    return path


def test_an_mp3_that_is_not_counted(write_media: WriteMedia, noise: Noise) -> None:
    path = uncounted_mp3(write_media, noise(3 * 44_100))
    assert count_samples(path, RATE) == len(load_audio(path, RATE))
    assert_is_cut(path)


def test_an_mp3_of_changing_rate_that_is_not_counted(tmp_path: Path, noise: Noise) -> None:
    path = tmp_path / "a.mp3"
    silence_after_noise = np.concatenate([noise(5 * 44_100), np.zeros(20 * 44_100, np.float32)])
    soundfile.write(path, silence_after_noise, 44_100, bitrate_mode="VARIABLE")
    path.write_bytes(path.read_bytes().replace(b"Xing", bytes(4)))
    assert len(soundfile.read(path)[0]) < 20 * 44_100  # libsndfile guesses from the first frame
    assert count_samples(path, RATE) == pytest.approx(25 * RATE, rel=0.01)
    assert len(load_audio(path, RATE)) == count_samples(path, RATE)


def test_a_flac_stream_of_unknown_length(tmp_path: Path, noise: Noise) -> None:
    path = tmp_path / "stream.flac"
    soundfile.write(path, noise(3 * 8000), 8000)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the 36 bits of the total number of samples
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert count_samples(path, RATE) == 3 * RATE
    assert_is_cut(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".aiff"])
@pytest.mark.parametrize("n", [1, 2, 100, 44_101, 50_000])
def test_the_length_is_that_of_the_whole(tmp_path: Path, noise: Noise, suffix: str, n: int) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, noise(n), 44_100)
    assert count_samples(path, RATE) == len(load_audio(path, RATE))


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_the_length_stands_in_the_header(
    tmp_path: Path, noise: Noise, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, noise(10 * RATE), RATE)
    n_read = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile, "read", lambda self, n, **options: n_read.append(n) or read(self, n, **options)
    )
    assert count_samples(path, RATE) == 10 * RATE
    read_stretch(path, Stretch(RATE, 9 * RATE, 100))
    assert sum(n_read) < 2 * RATE


def test_jumps_in_mp3_are_silent(tmp_path: Path, noise: Noise, capfd: pytest.CaptureFixture[str]) -> None:
    for rate in (16_000, 22_050, 44_100):
        path = tmp_path / f"{rate}.mp3"
        soundfile.write(path, noise(5 * rate), rate, compression_level=0.5)
        assert_is_cut(path)
    assert capfd.readouterr().err == ""


def test_the_name_of_a_file_need_not_be_text(tmp_path: Path, noise: Noise) -> None:
    path = tmp_path / "\udcff\udce9.flac"
    soundfile.write(tmp_path / "a.flac", noise(RATE), RATE)
    try:
        (tmp_path / "a.flac").rename(path)
    except OSError:
        pytest.skip("this file system wants UTF-8")
    assert len(load_audio(path, RATE)) == count_samples(path, RATE) == RATE


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_file_in_memory_is_read_like_a_file(tmp_path: Path, noise: Noise, container: str) -> None:
    path = tmp_path / "a"
    soundfile.write(path, noise(2 * 44_100), 44_100, format=container)
    in_memory = io.BytesIO(path.read_bytes())
    stretch = Stretch(RATE, 20_000, 3000)
    assert count_samples(io.BytesIO(path.read_bytes()), RATE) == count_samples(path, RATE)
    np.testing.assert_array_equal(read_stretch(in_memory, stretch), read_stretch(path, stretch))


def test_a_film_in_memory_is_read_by_ffmpeg(write_media: WriteMedia, noise: Noise) -> None:
    path = write_media("a.m4a", noise(44_100), 44_100, "aac")
    in_memory = io.BytesIO(path.read_bytes())
    np.testing.assert_array_equal(read_stretch(in_memory, Stretch(RATE)), load_audio(path, RATE))


def refused(source: Path | io.BytesIO, start: int = 0) -> str:
    with pytest.raises(AudioError) as info:
        read_stretch(source, Stretch(RATE, start, 100))
    assert "\n" not in str(info.value)
    return str(info.value)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_recording_may_end_before_the_stretch(tmp_path: Path, noise: Noise, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, noise(RATE), RATE)
    assert len(read_stretch(path, Stretch(RATE, RATE - 10, 100))) == 10
    for start in (RATE, RATE + 1, 50 * RATE):
        assert refused(path, start) == f"{path}: ends before {start / RATE:g} s"


def test_bytes_that_are_no_recording() -> None:
    assert refused(io.BytesIO(b"")) == "stream: is an empty file"
    assert refused(io.BytesIO(bytes(1000))).startswith("stream: cannot be decoded (")


def test_a_cut_file_is_refused_from_the_damage_on(tmp_path: Path, noise: Noise) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, noise(5 * RATE), RATE)
    data = path.read_bytes()
    path.write_bytes(data[: round(0.6 * len(data))])
    np.testing.assert_allclose(
        read_stretch(path, Stretch(RATE, RATE, 10)), noise(5 * RATE)[RATE:][:10], atol=1e-4
    )
    assert refused(path, 4 * RATE).startswith(f"{path}: cannot be decoded")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_bytes_cut_off_anywhere_do_no_harm(tmp_path: Path, noise: Noise, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, noise(RATE // 2), RATE)
    data = path.read_bytes()
    for n_bytes in np.linspace(1, len(data) - 1, 25).astype(int):
        with suppress(AudioError):
            assert 1 <= len(read_stretch(io.BytesIO(data[:n_bytes]), Stretch(RATE, 1000, 500))) <= 500


def test_without_pyav_the_line_names_the_extra(
    write_media: WriteMedia, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media("a.m4a", noise(8000), 8000, "aac")
    monkeypatch.setitem(sys.modules, "av", None)
    assert refused(io.BytesIO(path.read_bytes())).endswith("pip install 'htsat[media]'")
