"""Stretches are the samples of the recording, whatever its format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.errors import AudioError
from htsat.pictures.lanes import Span
from htsat.reports.excerpts import excerpts
from htsat.reports.segments import integers

SPANS = [Span(0.0, 0.5), Span(20.25, 21.0), Span(20.5, 22.0), Span(39.0, 45.0)]


def written(path: Path, sample_rate=8000, n_channels=2, **settings):
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.standard_normal((40 * sample_rate, n_channels))
    # Smooth, so that lossy formats keep its shape.
    smooth = np.cumsum(noise, axis=0) / np.sqrt(sample_rate)
    soundfile.write(path, smooth / np.abs(smooth).max() * 0.9, sample_rate, **settings)
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "ä b.aiff"])
def test_stretches_are_those_of_the_whole(tmp_path, name):
    path = tmp_path / name
    rate = 32000 if name == "a.mp3" else 8000
    whole = written(path, rate)
    found = {excerpt.span: excerpt for excerpt in excerpts(path, SPANS)}
    assert list(found) == SPANS
    for span, excerpt in found.items():
        expected = whole[round(span.start_s * rate) : round(span.stop_s * rate)]
        assert excerpt.sample_rate == rate
        np.testing.assert_allclose(excerpt.samples, expected, atol=2e-4)


def test_what_only_ffmpeg_reads_keeps_its_channels(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a.mka"
    samples = (1000 * np.random.default_rng(0).standard_normal((2, 16000))).astype(np.int16)
    with av.open(str(path), "w") as container:
        track = container.add_stream("pcm_s16le", rate=8000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), format="s16", layout="stereo")
        frame.rate = 8000
        container.mux([*track.encode(frame), *track.encode(None)])
    spans = [Span(0.5, 1.0), Span(0.25, 0.75)]
    found = {excerpt.span: excerpt for excerpt in excerpts(path, spans)}
    assert list(found) == spans[::-1]
    np.testing.assert_allclose(found[spans[0]].samples, samples.T[4000:8000] / 2**15, atol=1e-6)


def test_stretches_after_the_end_are_left_out(tmp_path):
    written(tmp_path / "a.wav")
    assert [excerpt.span for excerpt in excerpts(tmp_path / "a.wav", [Span(50, 51), Span(1, 2)])] == [
        Span(1, 2)
    ]


def test_what_is_no_sound_is_named(tmp_path):
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"a\.wav: cannot be decoded"):
        list(excerpts(tmp_path / "a.wav", SPANS))
    with pytest.raises(AudioError, match=r"b\.wav: No such file"):
        list(excerpts(tmp_path / "b.wav", SPANS))


@pytest.mark.parametrize(("subtype", "n_bits"), [("PCM_16", 16), ("PCM_24", 24), ("PCM_U8", 16)])
def test_whole_numbers_come_out_as_they_went_in(tmp_path, subtype, n_bits):
    written(tmp_path / "a.wav", subtype=subtype)
    before = soundfile.read(tmp_path / "a.wav", dtype="int32", always_2d=True)[0][8000:16000]
    [excerpt] = excerpts(tmp_path / "a.wav", [Span(1, 2)])
    assert excerpt.n_bits == n_bits
    soundfile.write(tmp_path / "b.flac", integers(excerpt.samples, n_bits), 8000, f"PCM_{n_bits}")
    np.testing.assert_array_equal(
        soundfile.read(tmp_path / "b.flac", dtype="int32", always_2d=True)[0], before
    )


def test_what_is_too_loud_is_cut():
    assert integers(np.array([-2, -1, 0, 1, 2], np.float32), 16).tolist() == [-32768, -32768, 0, 32767, 32767]
