"""Recordings, streams and arrays as mono blocks at the model's sample rate."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedIOBase, BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from htsat.audio.blocks import check_sample_rate, mix_down, mono_blocks
from htsat.audio.decode import decode
from htsat.audio.protocol import DecodedAudio, Encoded, Opener
from htsat.errors import AudioError
from htsat.scores import FloatArray

MAX_CHANNELS = 1024
"""As in libsndfile; an array with more is one whose axes are swapped."""

_BYTES_IN_MEMORY = 32 * 2**20
"""Recordings of shards and stores up to this size are decoded from memory."""


class AudioStream:
    """An open recording; a context manager that closes it. Made by `open_audio`."""

    def __init__(self, name: str, audio: DecodedAudio, sample_rate: int, resources: ExitStack) -> None:
        self._name = name
        self._audio = audio
        self._sample_rate = sample_rate
        self._resources = resources

    @property
    def duration_s(self) -> float | None:
        """Length in seconds as the header says, or None where it does not."""
        return self._audio.duration_s

    def blocks(self) -> Iterator[FloatArray]:
        """Mono blocks of about one second at the rate that was asked for, none empty; can be read once.

        Raises:
            AudioError: when samples are not finite or the recording is shorter than one sample.
        """
        with about(self._name):
            yield from mono_blocks(self._audio.blocks, self._audio.sample_rate, self._sample_rate)

    def close(self) -> None:
        """Close the file and delete what was spooled."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_audio(source: Path | BinaryIO | Opener, sample_rate: int) -> AudioStream:
    """Open a recording, to be read as mono blocks at `sample_rate`; use it in a `with` statement.

    A binary stream is read from where it stands to its end, into a temporary file: decoders seek. What an
    opener opens is read into memory, or if it is large into such a file.

    Raises:
        AudioError: one line with the file's name when it is missing, empty, not audio or cannot be read.
    """
    with ExitStack() as resources, about(name_of(source)) as name:
        audio = decode(_seekable(source, resources), resources)
        return AudioStream(name, audio, sample_rate, resources.pop_all())


def load_audio(path: Path, sample_rate: int) -> FloatArray:
    """A whole recording as one mono waveform `(L,)` at `sample_rate`; raises as `open_audio` does."""
    with open_audio(path, sample_rate) as stream:
        return np.concatenate(list(stream.blocks()))


def array_blocks(waveform: NDArray[Any], sample_rate_in: int, sample_rate_out: int) -> Iterator[FloatArray]:
    """Mono blocks of about one second at `sample_rate_out` from samples in memory.

    Shape: `(L,)` or `(n_channels, L)`; floats, or integers of up to 32 bits, which are scaled to [-1, 1].

    Raises:
        AudioError: for other shapes and types at once; for samples that are not finite while iterating.
    """
    with about("waveform"):
        check_sample_rate(sample_rate_in)
        channels = _as_channels(np.asarray(waveform))
    return _array_blocks(channels, sample_rate_in, sample_rate_out)


def _array_blocks(channels: NDArray[Any], rate_in: int, rate_out: int) -> Iterator[FloatArray]:
    n_samples = channels.shape[1]
    mixed = (mix_down(channels[:, start : start + rate_in]) for start in range(0, n_samples, rate_in))
    with about("waveform"):
        yield from mono_blocks(mixed, rate_in, rate_out)


def _as_channels(waveform: NDArray[Any]) -> NDArray[Any]:
    channels = waveform[np.newaxis] if waveform.ndim == 1 else waveform
    if channels.ndim != 2 or not 1 <= len(channels) <= MAX_CHANNELS:
        raise AudioError(f"expected shape (L,) or (n_channels, L), got {waveform.shape}")
    if not channels.size:
        raise AudioError("holds no audio samples")
    mix_down(channels[:, :1])  # refuses a wrong type of samples before any is used
    return channels


def _seekable(source: Path | BinaryIO | Opener, resources: ExitStack) -> Encoded:
    if isinstance(source, Path):
        return source
    if not isinstance(source, Opener):
        return _spooled(source, resources)
    stream = resources.enter_context(source.open())
    head = stream.read(_BYTES_IN_MEMORY)
    if len(head) < _BYTES_IN_MEMORY:
        return BytesIO(head)
    return _spooled(stream, resources, head)


def _spooled(source: BinaryIO, resources: ExitStack, head: bytes = b"") -> Path:
    path = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="htsat-"))) / "stream"
    with path.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(source, file)
    return path


def name_of(source: Path | BinaryIO | BufferedIOBase | Opener) -> str:
    """How messages name a file or a stream."""
    return str(source) if isinstance(source, Path) else str(getattr(source, "name", "stream"))


@contextmanager
def about(name: str) -> Iterator[str]:
    """Put the name of the recording before the reason of an error."""
    try:
        yield name
    except AudioError as error:
        raise AudioError(f"{name}: {error}") from error
    except OSError as error:
        raise AudioError(f"{name}: {error.strerror or error}") from error
