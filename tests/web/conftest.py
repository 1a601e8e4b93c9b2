"""A small engine, clients of applications, and servers on a free port of this machine."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

import htsat
from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.labels import LabelSet
from htsat.loading import LoadedModel
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray
from htsat.web.app import create_app
from htsat.web.settings import ServiceSettings

SAMPLE_RATE = 800
LABELS = ("loud", "quiet, or nearly so")
HOST = "http://127.0.0.1:8000"


class LoudnessEngine:
    """Clips of 1 s at 800 Hz in 4 frames; a class is loud or quiet, and the embedding is both levels.

    While `may_run` is not set it waits, as a busy network would.
    """

    def __init__(self, labels: tuple[str, ...] = LABELS) -> None:
        self.batch_sizes: list[int] = []
        self.may_run = threading.Event()
        self.may_run.set()
        self.is_waiting = threading.Event()
        self.description = ModelDescription(
            name="loudness",
            labels=LabelSet(labels),
            task="multi_label",
            rules=EventRules.usual((0.5,) * len(labels)),
            sample_rate=SAMPLE_RATE,
            clip_samples=SAMPLE_RATE,
            n_frames=4,
            n_coarse_frames=4,
            embedding_dim=2,
        )

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        self.is_waiting.set()
        assert self.may_run.wait(60)
        self.batch_sizes.append(len(clips))
        level = np.log(np.abs(clips.reshape(len(clips), 4, -1)).mean(axis=-1) + 1e-3) + 2.5
        both = np.stack([level, -level], axis=-1).astype(np.float32)
        logits = both[..., : len(self.description.labels)]
        return EngineOutput(logits, logits, both.mean(axis=1), both)


@pytest.fixture(scope="session")
def new_engine() -> Callable[..., LoudnessEngine]:
    """Maker of engines."""
    return LoudnessEngine


@pytest.fixture
def engine() -> Iterator[LoudnessEngine]:
    engine = LoudnessEngine()
    yield engine
    engine.may_run.set()


@pytest.fixture
def recognizer(engine: LoudnessEngine) -> Recognizer:
    return Recognizer(engine, batch_size=4)


@pytest.fixture(scope="session")
def nano() -> LoadedModel:
    """The packaged model on one thread."""
    return htsat.load(n_threads=1)


@pytest.fixture(scope="session")
def sound() -> Callable[..., bytes]:
    """Maker of WAV files: noise of so many seconds, loud and quiet in turns, the same for the same seed."""
    return _sound


def _sound(duration_s: float = 1.5, seed: int = 0) -> bytes:
    time_s = np.arange(round(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(seed).standard_normal(len(time_s))
    file = io.BytesIO()
    soundfile.write(file, 0.2 * noise * (np.sin(2 * time_s + seed) > 0), SAMPLE_RATE, format="WAV")
    return file.getvalue()


@pytest.fixture
def client(recognizer: Recognizer) -> Iterator[TestClient]:
    """Asks an application with the usual settings."""
    with TestClient(create_app(recognizer, ServiceSettings()), base_url=HOST) as client:
        yield client


@pytest.fixture
def asking(recognizer: Recognizer) -> Callable[..., Any]:
    """Context of a client of an application with some settings."""

    @contextmanager
    def make(**settings: Any) -> Iterator[TestClient]:
        app = create_app(recognizer, ServiceSettings(**settings))
        with TestClient(app, base_url=HOST) as client:
            yield client

    return make


@pytest.fixture(scope="session")
def served() -> Callable[[Starlette], Any]:
    """Context of a real server; gives its port."""
    return _served


@contextmanager
def _served(app: Starlette) -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=[[listening]])
        thread.start()
        try:
            until(lambda: server.started)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another thread does."""
    for _ in range(6000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen within a minute")


@pytest.fixture(name="until")
def until_fixture() -> Callable[[Callable[[], bool]], None]:
    return until


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go during a test."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder
