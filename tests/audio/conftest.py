"""Sounds, and files of them that libsndfile cannot write."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from htsat.scores import FloatArray


@pytest.fixture
def tone() -> Callable[..., FloatArray]:
    """A sine of 1 kHz with amplitude 0.5: `(L,)`."""

    def make(sample_rate: int, duration_s: float = 1.0) -> FloatArray:
        time_s = np.arange(round(sample_rate * duration_s)) / sample_rate
        return (0.5 * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)

    return make


@pytest.fixture
def noise() -> Callable[[int], FloatArray]:
    """So many samples of quiet white noise, the same at every call."""
    return lambda n: (0.1 * np.random.default_rng(3).standard_normal(n)).astype(np.float32)


@pytest.fixture
def write_media(tmp_path: Path) -> Callable[..., Path]:
    """Writer of a file with a mono waveform in every channel and some pictures, titled "title".

    Without a codec the file has no sound.
    """

    def write(
        name: str,
        waveform: FloatArray,
        sample_rate: int,
        codec: str = "",
        layout: str = "mono",
        n_pictures: int = 0,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            container.metadata["title"] = "title"
            sound = container.add_stream(codec, rate=sample_rate, layout=layout) if codec else None
            video = container.add_stream("mpeg4", rate=25) if n_pictures else None
            if video:
                _add_pictures(container, video, n_pictures)
            if sound:
                _add_sound(container, sound, waveform)
        return path

    return write


def _add_sound(container: av.container.OutputContainer, stream: av.AudioStream, waveform: FloatArray) -> None:
    convert = av.AudioResampler(format=stream.format.name, layout=stream.layout, rate=stream.rate)
    for start in range(0, len(waveform), 1024):
        part = np.tile(waveform[start : start + 1024], (stream.layout.nb_channels, 1))
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=stream.layout)
        frame.sample_rate, frame.pts, frame.time_base = stream.rate, start, Fraction(1, stream.rate)
        for converted in convert.resample(frame):
            container.mux(stream.encode(converted))
    container.mux(stream.encode(None))


def _add_pictures(container: av.container.OutputContainer, stream: av.VideoStream, n_pictures: int) -> None:
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    for index in range(n_pictures):
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), index, np.uint8), format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, 25)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
