from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.audio import SUFFIXES, load_audio, open_audio
from htsat.errors import AudioError
from htsat.scores import FloatArray

RATE = 32_000

Tone = Callable[..., FloatArray]
Noise = Callable[[int], FloatArray]
WriteMedia = Callable[..., Path]


def write_wav(path: Path, samples: bytes, *, rate: int = 8000, n_bytes: int) -> Path:
    """A 16-bit WAV file whose header promises `n_bytes` of samples."""
    head = struct.pack("<4sI8sI", b"RIFF", (n_bytes + 36) % 2**32, b"WAVEfmt ", 16)
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate % 2**32, 2, 16)
    path.write_bytes(head + form + struct.pack("<4sI", b"data", n_bytes) + samples)
    return path


def cut_off(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: round(part * len(data))])
    return path


def assert_is_tone(waveform: FloatArray, rel: float = 0.02) -> None:
    """One second of 1 kHz with amplitude 0.5 at `RATE`, give or take the padding of codecs."""
    assert abs(len(waveform) - RATE) < 0.1 * RATE
    middle = waveform[RATE // 4 : 3 * RATE // 4]
    spectrum = np.abs(np.fft.rfft(middle)) / (len(middle) / 2)
    assert np.argmax(spectrum) == 1000 * len(middle) // RATE
    assert spectrum.max() == pytest.approx(0.5, rel=rel)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".aiff", ".caf", ".w64", ".au", ".rf64"])
@pytest.mark.parametrize("rate", [8000, 44_100])
def test_formats_of_libsndfile(tmp_path: Path, tone: Tone, suffix: str, rate: int) -> None:
    path = tmp_path / f"tone{suffix}"
    soundfile.write(path, tone(rate), rate)
    assert suffix in SUFFIXES
    assert_is_tone(load_audio(path, RATE))


def test_opus(tmp_path: Path, tone: Tone) -> None:
    path = tmp_path / "tone.opus"
    soundfile.write(path, tone(48_000), 48_000, format="OGG", subtype="OPUS")
    assert_is_tone(load_audio(path, RATE))


@pytest.mark.parametrize("rate", [8000, 11_025, 32_000, 48_000, 192_000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_wav_of_every_rate_and_type(tmp_path: Path, tone: Tone, rate: int, subtype: str) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(rate), rate, subtype=subtype)
    assert_is_tone(load_audio(tmp_path / "tone.wav", RATE))


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("tone.m4a", "aac", 44_100),
        ("tone.aac", "aac", 44_100),
        ("tone.webm", "libopus", 48_000),
        ("tone.mkv", "flac", 192_000),
        ("tone.mov", "pcm_s24le", 44_100),
        ("u8.mkv", "pcm_u8", 8000),
        ("f64.mkv", "pcm_f64le", 44_100),
        ("alac.m4a", "alac", 44_100),
        ("tone.amr", "libopencore_amrnb", 8000),
    ],
)
def test_formats_of_ffmpeg(write_media: WriteMedia, tone: Tone, name: str, codec: str, rate: int) -> None:
    path = write_media(name, tone(rate), rate, codec)
    assert path.suffix in SUFFIXES
    assert_is_tone(load_audio(path, RATE), rel=0.15)  # telephone codecs are rough


@pytest.mark.parametrize("layout", ["stereo", "5.1"])
@pytest.mark.parametrize(("name", "codec"), [("planar.m4a", "aac"), ("packed.mkv", "pcm_s16le")])
def test_channels_of_ffmpeg(write_media: WriteMedia, tone: Tone, layout: str, name: str, codec: str) -> None:
    path = write_media(name, tone(44_100), 44_100, codec, layout)
    waveform = load_audio(path, 44_100)
    middle = slice(11_025, 33_075)
    if codec == "pcm_s16le":
        np.testing.assert_allclose(waveform, tone(44_100), atol=1e-4)
    np.testing.assert_allclose(waveform[middle].std(), tone(44_100)[middle].std(), rtol=0.2)


def test_a_video_gives_its_sound(write_media: WriteMedia, tone: Tone) -> None:
    path = write_media("film.mp4", tone(44_100), 44_100, "aac", "stereo", n_pictures=5)
    assert_is_tone(load_audio(path, RATE))


@pytest.mark.parametrize("n_channels", [1, 2, 3, 8, 32])
@pytest.mark.parametrize("suffix", [".wav", ".aiff"])
def test_one_loud_channel_is_heard_at_its_share(
    tmp_path: Path, tone: Tone, n_channels: int, suffix: str
) -> None:
    samples = np.zeros((RATE, n_channels), np.float32)
    samples[:, -1] = tone(RATE)
    soundfile.write(tmp_path / f"a{suffix}", samples, RATE)
    np.testing.assert_allclose(load_audio(tmp_path / f"a{suffix}", RATE), tone(RATE) / n_channels, atol=1e-4)


def test_both_decoders_agree(tmp_path: Path, tone: Tone) -> None:
    from htsat.audio import ffmpeg, libsndfile

    soundfile.write(tmp_path / "a.wav", np.stack([tone(8000), 0.3 * tone(8000)], axis=1), 8000)
    with ExitStack() as resources:
        first, second = (module.open_file(tmp_path / "a.wav", resources) for module in (libsndfile, ffmpeg))
        np.testing.assert_array_equal(np.concatenate(list(first.blocks)), np.concatenate(list(second.blocks)))
        assert (first.sample_rate, first.duration_s) == (second.sample_rate, second.duration_s) == (8000, 1.0)


def test_durations_come_from_the_header(tmp_path: Path, write_media: WriteMedia, tone: Tone) -> None:
    soundfile.write(tmp_path / "a.flac", tone(8000, 1.5), 8000)
    for path in (
        tmp_path / "a.flac",
        write_media("a.m4a", tone(8000, 1.5), 8000, "aac"),
        write_media("a.mkv", tone(8000, 1.5), 8000, "pcm_s16le"),
    ):
        with open_audio(path, RATE) as stream:
            assert stream.duration_s == pytest.approx(1.5, abs=0.15)


def test_a_flac_stream_of_unknown_length_is_read_to_its_end(tmp_path: Path, tone: Tone) -> None:
    path = tmp_path / "stream.flac"
    soundfile.write(path, tone(8000, 3), 8000)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the 36 bits of the total number of samples
    data[22:26] = bytes(4)
    path.write_bytes(data)
    with open_audio(path, 8000) as stream:
        assert stream.duration_s is None
        assert sum(len(block) for block in stream.blocks()) == 24_000


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_cut_file_whose_header_says_so_is_refused(tmp_path: Path, noise: Noise, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    soundfile.write(path, noise(160_000), RATE)
    with pytest.raises(AudioError, match=rf"cut\{suffix}: is cut off: \d\.\d\d s of 5\.00 s can be decoded"):
        load_audio(cut_off(path, 0.6), RATE)


def test_a_wav_whose_recorder_was_switched_off_is_kept(tmp_path: Path, noise: Noise) -> None:
    path = tmp_path / "unfinished.wav"
    soundfile.write(path, noise(16_000), RATE)
    data = bytearray(path.read_bytes())
    size_of_data = data.index(b"data") + 4
    data[size_of_data : size_of_data + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert len(load_audio(path, RATE)) == 16_000


@pytest.mark.parametrize("suffix", [".ogg", ".mp3", ".aiff"])
def test_what_is_left_of_another_cut_file_is_kept(tmp_path: Path, noise: Noise, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    soundfile.write(path, noise(160_000), RATE)
    assert len(load_audio(cut_off(path, 0.6), RATE)) == pytest.approx(0.6 * 160_000, rel=0.15)


def test_what_libsndfile_refuses_is_read_with_ffmpeg(tmp_path: Path, tone: Tone) -> None:
    soundfile.write(tmp_path / "cut.caf", tone(RATE, 2), RATE)
    path = cut_off(tmp_path / "cut.caf", 0.6)
    with pytest.raises(soundfile.LibsndfileError, match="malformed"):
        soundfile.read(path)
    assert len(load_audio(path, RATE)) == pytest.approx(1.2 * RATE, rel=0.1)


def test_damage_in_the_middle_loses_only_itself(write_media: WriteMedia, noise: Noise) -> None:
    path = write_media("damaged.m4a", noise(3 * 44_100), 44_100, "aac")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes([255]) * 300
    path.write_bytes(data)
    assert len(load_audio(path, RATE)) == pytest.approx(3 * RATE, rel=0.1)


@pytest.mark.parametrize("n_bytes", [2**32 - 1, 2**32 - 256, 2**31])
def test_a_header_may_promise_gigabytes(tmp_path: Path, n_bytes: int) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(2 * 500), n_bytes=n_bytes)
    assert len(load_audio(path, 8000)) == 500


def test_a_recorder_that_never_wrote_its_length(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(2 * 500), n_bytes=0)
    assert len(load_audio(path, 8000)) == 500


@pytest.mark.parametrize("rate", [1, 99, 2_000_000_000])
def test_absurd_rates_are_refused(tmp_path: Path, rate: int) -> None:
    path = write_wav(tmp_path / "a.wav", bytes(20), rate=rate, n_bytes=20)
    with pytest.raises(AudioError, match=f"expected a sample rate of 100 to 10000000 Hz, got {rate} Hz"):
        load_audio(path, RATE)


def refused(path: Path) -> str:
    """The line about a file that cannot be read; it begins with the file's name."""
    with pytest.raises(AudioError) as info:
        load_audio(path, RATE)
    name, reason = str(info.value).split(": ", maxsplit=1)
    assert name == str(path)
    assert "\n" not in reason
    return reason


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing.wav") == "No such file or directory"
    assert refused(tmp_path) == "is not a file"
    (tmp_path / "empty.wav").touch()
    assert refused(tmp_path / "empty.wav") == "is an empty file"


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.wav").write_bytes(b"RIFF")

    def denied(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # a real lock does not stop root
    assert refused(tmp_path / "secret.wav") == "Permission denied"


def test_files_that_are_not_audio(tmp_path: Path, write_media: WriteMedia) -> None:
    (tmp_path / "noise.wav").write_bytes(np.random.default_rng(0).bytes(5000))
    assert refused(tmp_path / "noise.wav") == "cannot be decoded (Invalid data found when processing input)"
    (tmp_path / "samples.raw").write_bytes(bytes(100))
    assert refused(tmp_path / "samples.raw").startswith("holds samples without a header")
    (tmp_path / "text.txt").write_text("not a sound\n" * 100)
    assert refused(tmp_path / "text.txt") == "has no audio track"
    silent_film = write_media("film.mp4", np.zeros(0, np.float32), 8000, n_pictures=5)
    assert refused(silent_film) == "has no audio track"


def test_files_without_samples(tmp_path: Path, write_media: WriteMedia, tone: Tone) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 8000)
    assert refused(tmp_path / "none.wav") == "holds no audio samples"
    soundfile.write(tmp_path / "cut.ogg", tone(8000), 8000)
    assert refused(cut_off(tmp_path / "cut.ogg", 0.01)) == "cannot be decoded (End of file)"
    whole = write_media("cut.m4a", tone(8000), 8000, "aac")
    assert refused(cut_off(whole, 0.5)) == "cannot be decoded (Invalid data found when processing input)"


def test_a_track_of_an_unknown_codec(write_media: WriteMedia, tone: Tone) -> None:
    path = write_media("new.mka", tone(8000), 8000, "aac")
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_NEW"))
    assert refused(path) == "has an audio track of an unknown codec"


def test_tags_in_another_encoding_do_no_harm(write_media: WriteMedia, tone: Tone) -> None:
    path = write_media("tagged.mka", tone(RATE), RATE, "aac")
    path.write_bytes(path.read_bytes().replace(b"title", b"\xe9\xe8tle"))
    assert_is_tone(load_audio(path, RATE), rel=0.15)


def test_a_change_of_the_sample_rate_is_refused(write_media: WriteMedia, tone: Tone) -> None:
    path, other = (write_media(f"{rate}.aac", tone(rate), rate, "aac") for rate in (44_100, 22_050))
    path.write_bytes(path.read_bytes() + other.read_bytes())
    assert refused(path) == "changes its sample rate from 44100 to 22050 Hz"


def test_a_playlist_leads_nowhere(tmp_path: Path, tone: Tone) -> None:
    soundfile.write(tmp_path / "a.mp3", tone(8000), 8000)
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp3\n#EXT-X-ENDLIST\n")
    assert refused(playlist).startswith("cannot be decoded")
    concatenation = tmp_path / "list.ffconcat"
    concatenation.write_text("ffconcat version 1.0\nfile a.mp3\n")
    assert refused(concatenation).startswith("cannot be decoded")


@pytest.fixture
def without_av(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)


@pytest.mark.usefixtures("without_av")
def test_without_pyav_the_line_names_the_extra(write_media: WriteMedia, tone: Tone) -> None:
    reason, remedy = refused(write_media("a.m4a", tone(8000), 8000, "aac")).split("; ")
    assert reason == "cannot be decoded (Format not recognised)"
    assert remedy == "more formats are read after pip install 'htsat[media]'"


@pytest.mark.usefixtures("without_av")
def test_without_pyav_other_files_are_read(tmp_path: Path, tone: Tone) -> None:
    soundfile.write(tmp_path / "a.flac", tone(RATE), RATE)
    assert_is_tone(load_audio(tmp_path / "a.flac", RATE))


@pytest.mark.usefixtures("without_av")
def test_without_pyav_a_cut_file_is_kept_to_its_last_block(tmp_path: Path, noise: Noise) -> None:
    soundfile.write(tmp_path / "cut.aiff", noise(160_000), RATE)
    n_samples = len(load_audio(cut_off(tmp_path / "cut.aiff", 0.6), RATE))
    assert n_samples == pytest.approx(0.6 * 160_000, abs=8192)


def test_suffixes_are_lower_case_and_no_code() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES)
    assert {".wav", ".mp3", ".flac", ".ogg", ".m4a", ".webm", ".mp4"} <= SUFFIXES
    assert not {".ts", ".raw", ".mat", ".txt", ".csv"} & SUFFIXES
