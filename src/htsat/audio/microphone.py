"""The microphone, through PortAudio (extra `microphone`)."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from htsat.audio.blocks import resampled_blocks
from htsat.audio.stream import about
from htsat.errors import AudioError, MissingExtraError
from htsat.scores import FloatArray

_BLOCKS_PER_S = 10
_MAX_WAITING_S = 10
_SILENT_S = 5
"""A device that gives nothing for so long is gone."""


class Microphone:
    """The system's usual input device, at its own rate.

    Samples wait for at most 10 s to be heard. Those that then come are dropped: `missed_s` tells how much.
    The times of events count what was heard.

    Raises:
        MissingExtraError: when the package `sounddevice` is not installed.
        AudioError: when there is no device, or PortAudio is missing.
    """

    def __init__(self) -> None:
        self._portaudio = _portaudio()
        with _device_errors(self._portaudio):
            device = self._portaudio.query_devices(kind="input")
        self.name = str(device["name"])
        self.sample_rate = int(device["default_samplerate"])
        self._waiting: queue.Queue[FloatArray] = queue.Queue(_MAX_WAITING_S * _BLOCKS_PER_S)
        self._n_missed = 0

    @property
    def missed_s(self) -> float:
        """How much was dropped because hearing was slower than the sound."""
        return self._n_missed / self.sample_rate

    def blocks(self, sample_rate: int) -> Iterator[FloatArray]:
        """Mono blocks at `sample_rate`, without end.

        Raises:
            AudioError: when the device cannot be opened, or gives nothing any more.
        """
        with about("microphone"):
            yield from resampled_blocks(self._recorded(), self.sample_rate, sample_rate)

    def _recorded(self) -> Iterator[FloatArray]:
        with (
            _device_errors(self._portaudio),
            self._portaudio.InputStream(
                samplerate=self.sample_rate,
                blocksize=self.sample_rate // _BLOCKS_PER_S,
                channels=1,
                dtype="float32",
                callback=self._take,
            ),
        ):
            while True:
                try:
                    yield self._waiting.get(timeout=_SILENT_S)
                except queue.Empty:
                    raise AudioError(f"gave no samples for {_SILENT_S} s") from None

    def _take(self, samples: FloatArray, n_samples: int, _time: object, _status: object) -> None:
        """Called by PortAudio in a thread of its own with `(n_samples, 1)`; must not wait."""
        try:
            self._waiting.put_nowait(samples[:, 0].copy())
        except queue.Full:
            self._n_missed += n_samples


def _portaudio() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise MissingExtraError("the microphone", "microphone") from error
    except OSError as error:  # the package is there, the system's library is not
        raise AudioError(f"microphone: {error}") from error
    return sounddevice


@contextmanager
def _device_errors(portaudio: Any) -> Iterator[None]:
    try:
        yield
    except portaudio.PortAudioError as error:
        raise AudioError(f"microphone: {' '.join(str(error).split())}") from error
