from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.errors import AudioError
from htsat.scores import FloatArray
from htsat.web.page.overview import COPY, Overview, OverviewWriter, Seen, look_at, read_seen

RATE = 8000


@pytest.fixture
def chirps() -> FloatArray:
    """Twelve seconds and a bit: a tone that jumps from 500 Hz to 2 kHz, and a click."""
    time_s = np.arange(12 * RATE + 123) / RATE
    hz = np.where(time_s < 6, 500, 2000)
    samples = 0.3 * np.sin(2 * np.pi * hz * time_s)
    samples[3 * RATE + 5] = -0.9
    return samples.astype(np.float32)


def looked(path: Path, folder: Path) -> Overview:
    told: list[tuple[Seen, float | None]] = []
    seen = look_at(path, folder, RATE, lambda seen, duration_s: told.append((seen, duration_s)))
    assert [seen.n_samples for seen, _ in told] == sorted(seen.n_samples for seen, _ in told)
    assert read_seen(folder) == seen
    return Overview(path, folder, RATE, seen)


@pytest.fixture
def overview(tmp_path: Path, chirps: FloatArray) -> Overview:
    soundfile.write(tmp_path / "chirps.wav", chirps, RATE, subtype="FLOAT")
    overview = looked(tmp_path / "chirps.wav", tmp_path / "seen")
    assert overview.seen.n_samples == len(chirps)
    return overview


@pytest.mark.parametrize("n_points", [1, 12, 100, 1200])
def test_waveform_of_the_whole(overview: Overview, chirps: FloatArray, n_points: int) -> None:
    """In parts that are whole multiples of 10 ms the extremes are exact."""
    waveform = overview.waveform(0, 12, n_points)
    parts = chirps[: 12 * RATE].reshape(n_points, -1)
    assert np.array_equal(waveform.least, parts.min(axis=1))
    assert np.array_equal(waveform.greatest, parts.max(axis=1))


def test_waveform_of_single_samples(overview: Overview, chirps: FloatArray) -> None:
    start = 3 * RATE
    waveform = overview.waveform(start / RATE, (start + 40) / RATE, 40)
    assert np.allclose(waveform.least, chirps[start : start + 40], atol=1e-5)
    assert np.array_equal(waveform.least, waveform.greatest)
    finer = overview.waveform(start / RATE, (start + 4) / RATE, 16)
    assert np.allclose(finer.least, np.repeat(chirps[start : start + 4], 4), atol=1e-5)


def test_a_click_is_seen_at_any_zoom(overview: Overview) -> None:
    at_s = (3 * RATE + 5) / RATE
    for reach_s, n_points in [(1e-3, 9), (0.1, 50), (1, 7), (2.9, 500), (2.9, 3)]:
        waveform = overview.waveform(at_s - reach_s, at_s + reach_s, n_points)
        assert waveform.least.min() == pytest.approx(-0.9, abs=1e-5)
        assert abs(int(waveform.least.argmin()) - (n_points - 1) / 2) <= 1 + n_points * 0.01 / (2 * reach_s)


def test_behind_the_end_there_is_silence(overview: Overview) -> None:
    for stop_s in (15.0, 60.0):
        waveform = overview.waveform(14, stop_s, 20)
        assert not waveform.least.any()
        assert not waveform.greatest.any()
        assert not overview.spectrogram(14, stop_s, (10, 20)).any()
    assert not overview.samples(13 * RATE, 14 * RATE).any()


def loudest_hz(picture: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> FloatArray:
    """The frequency of the loudest row in each column: rows are equally wide in mel, the highest first."""
    n_rows = len(picture)
    places = (n_rows - 0.5 - picture.argmax(axis=0)) / n_rows
    mels: FloatArray = places * 2595 * np.log10(1 + RATE / 2 / 700)
    return 700 * (10 ** (mels / 2595) - 1)


@pytest.mark.parametrize(
    ("start_s", "stop_s", "width"), [(0, 12, 24), (0, 12, 600), (5, 7, 20), (5.9, 6.1, 400)]
)
def test_spectrogram_shows_the_tone(overview: Overview, start_s: float, stop_s: float, width: int) -> None:
    picture = overview.spectrogram(start_s, stop_s, (96, width))
    assert picture.shape == (96, width)
    middles_s = start_s + (np.arange(width) + 0.5) * (stop_s - start_s) / width
    clear = (np.abs(middles_s - 6) > 0.05) & (np.abs(middles_s - 3) > 0.3)
    expected = np.where(middles_s < 6, 500, 2000)
    assert np.allclose(loudest_hz(picture)[clear], expected[clear], rtol=0.05)
    assert picture[:, clear].max() >= 240  # the tone is as loud as anything but the click


def test_zoom_does_not_change_the_colours(overview: Overview) -> None:
    """What is written and what is made of the sound meet: a stretch in columns of 20 ms and shorter."""
    stored = overview.spectrogram(1, 2, (96, 50)).astype(float)
    fresh = overview.spectrogram(1, 2, (96, 51)).astype(float)
    assert np.abs(stored.mean(axis=1) - fresh.mean(axis=1)).max() < 2


def test_rows_and_columns_as_wanted(overview: Overview) -> None:
    for height, width in [(1, 1), (7, 3), (300, 5), (96, 2000)]:
        assert overview.spectrogram(0, 12, (height, width)).shape == (height, width)


def test_silence_is_dark(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE), RATE)
    overview = looked(tmp_path / "silence.wav", tmp_path / "seen")
    assert not overview.spectrogram(0, 1, (20, 20)).any()
    assert not overview.spectrogram(0, 0.1, (20, 20)).any()


def test_loud_samples_end_at_full_scale(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", np.tile([4.0, -3.0], RATE), RATE, subtype="FLOAT")
    waveform = looked(tmp_path / "loud.wav", tmp_path / "seen").waveform(0, 2, 5)
    assert waveform.least.tolist() == [-1] * 5
    assert waveform.greatest.tolist() == [1] * 5


def test_while_it_is_being_looked_at(tmp_path: Path, chirps: FloatArray) -> None:
    """What was there at that time is there, what was not is silent, and nothing of it changes later."""
    soundfile.write(tmp_path / "chirps.wav", chirps, RATE, subtype="FLOAT")
    writer = OverviewWriter(tmp_path / "seen", RATE, with_copy=False)
    whole = looked(tmp_path / "chirps.wav", tmp_path / "all")
    try:
        for start in range(0, 5 * RATE, RATE):
            writer.push(chirps[start : start + RATE])
        early = Overview(tmp_path / "chirps.wav", tmp_path / "seen", RATE, writer.seen)
        assert 4.9 * RATE < early.seen.n_samples <= 5 * RATE
        assert np.array_equal(early.waveform(0, 4, 16).least, whole.waveform(0, 4, 16).least)
        assert not early.waveform(6, 12, 5).greatest.any()
        picture = early.spectrogram(0, 12, (50, 120))
        assert picture[:, :45].any(axis=0).all()
        assert not picture[:, 55:].any()
        assert read_seen(tmp_path / "seen") is None
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("suffix", "has_copy"), [("wav", False), ("flac", False), ("ogg", False), ("aiff", True)]
)
def test_a_copy_where_browsers_need_one(
    tmp_path: Path, chirps: FloatArray, suffix: str, has_copy: bool
) -> None:
    soundfile.write(tmp_path / f"a.{suffix}", chirps, RATE)
    overview = looked(tmp_path / f"a.{suffix}", tmp_path / "seen")
    assert (tmp_path / "seen" / COPY).exists() == has_copy
    assert np.allclose(overview.samples(100, 400), chirps[100:400], atol=0.03 if suffix == "ogg" else 1e-4)
    if has_copy:
        copied, rate = soundfile.read(tmp_path / "seen" / COPY, dtype="float32")
        assert rate == RATE
        assert np.allclose(copied, chirps, atol=1e-4)


def test_a_copy_that_would_be_too_long_is_left_out(
    tmp_path: Path, chirps: FloatArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htsat.web.page.sound._MAX_COPY_SAMPLES", 5 * RATE)
    soundfile.write(tmp_path / "a.aiff", chirps, RATE)
    overview = looked(tmp_path / "a.aiff", tmp_path / "seen")
    assert list((tmp_path / "seen").glob("copy*")) == []
    assert np.allclose(overview.samples(100, 400), chirps[100:400], atol=1e-4)


def test_what_cannot_be_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(AudioError, match=r"a\.wav"):
        looked(tmp_path / "a.wav", tmp_path / "seen")
    assert read_seen(tmp_path / "seen") is None


def test_an_overview_that_broke_off_is_none(tmp_path: Path, overview: Overview) -> None:
    summary = overview.folder / "overview.npz"
    summary.write_bytes(summary.read_bytes()[:-30])
    assert read_seen(overview.folder) is None


def test_looking_needs_little_memory(tmp_path: Path) -> None:
    """Ten minutes, which are 19 MB of samples."""
    import tracemalloc

    block = np.random.default_rng(0).uniform(-1, 1, 60 * RATE).astype(np.float32)
    with soundfile.SoundFile(str(tmp_path / "long.wav"), "w", RATE, 1, subtype="PCM_16") as file:
        for _ in range(10):
            file.write(block)
    tracemalloc.start()
    try:
        overview = looked(tmp_path / "long.wav", tmp_path / "seen")
        overview.spectrogram(0, 600, (96, 1000))
        overview.waveform(0, 600, 1000)
        assert tracemalloc.get_traced_memory()[1] < 8e6
    finally:
        tracemalloc.stop()
    assert overview.seen.n_samples == 10 * 60 * RATE
