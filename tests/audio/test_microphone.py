"""The microphone against a stand-in for the package `sounddevice`: no test machine has a microphone."""

from __future__ import annotations

import queue
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from htsat.audio import microphone
from htsat.audio.microphone import Microphone
from htsat.errors import AudioError, MissingExtraError

RATE = 8000


class PortAudioError(Exception):
    pass


class InputStream:
    """Gives `n_blocks` blocks at once when it is opened: sample `i` of block `k` is `k`."""

    n_blocks = 0
    opened: list[InputStream] = []  # noqa: RUF012

    def __init__(self, **settings: object) -> None:
        self.settings = settings
        InputStream.opened.append(self)

    def __enter__(self) -> InputStream:
        n_samples = self.settings["blocksize"]
        memory = np.empty((n_samples, 1), np.float32)
        for number in range(self.n_blocks):
            memory[:] = number
            self.settings["callback"](memory, n_samples, None, None)  # type: ignore[operator]
        return self

    def __exit__(self, *error: object) -> None:
        InputStream.opened.remove(self)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The stand-in."""
    package = SimpleNamespace(
        PortAudioError=PortAudioError,
        InputStream=InputStream,
        query_devices=lambda kind: {"name": f"any {kind}", "default_samplerate": float(RATE)},
    )
    monkeypatch.setitem(sys.modules, "sounddevice", package)
    return package


def take(blocks, n_blocks: int) -> list[float]:  # type: ignore[no-untyped-def]
    return [float(next(blocks).mean()) for _ in range(n_blocks)]


def test_blocks_of_a_tenth_of_a_second_come_in_order(device, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(InputStream, "n_blocks", 3)
    source = Microphone()
    assert (source.name, source.sample_rate) == ("any input", RATE)
    blocks = source.blocks(RATE)
    assert len(next(blocks)) == RATE // 10
    assert take(blocks, 2) == [1, 2]
    assert source.missed_s == 0
    blocks.close()
    assert InputStream.opened == []


def test_what_waits_longer_than_ten_seconds_is_dropped_and_counted(device, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(InputStream, "n_blocks", 135)
    source = Microphone()
    blocks = source.blocks(RATE)
    assert take(blocks, 100) == list(range(100))
    assert source.missed_s == 3.5
    blocks.close()


def test_a_device_that_gives_nothing(device, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    source = Microphone()
    monkeypatch.setattr(source, "_waiting", SimpleNamespace(get=_nothing))
    with pytest.raises(AudioError, match="microphone: gave no samples for 5 s"):
        next(source.blocks(RATE))
    assert InputStream.opened == []


def _nothing(timeout: float) -> None:
    raise queue.Empty


def test_no_device(device) -> None:  # type: ignore[no-untyped-def]
    def query(kind: str) -> None:
        raise PortAudioError("Error querying\ndevice -1")

    device.query_devices = query
    with pytest.raises(AudioError, match="microphone: Error querying device -1"):
        Microphone()


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"the microphone needs .* pip install 'htsat\[microphone\]'"):
        microphone.Microphone()
