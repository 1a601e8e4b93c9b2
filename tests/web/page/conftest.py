"""A page with a small network behind it, and recordings to show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from htsat.errors import HtsatError
from htsat.recognition.recognizer import Recognizer
from htsat.scores import FloatArray
from htsat.web.listener import Listener
from htsat.web.page.routes import page_routes
from htsat.web.page.workspace import Workspace
from htsat.web.problems import error_response
from htsat.web.settings import ServiceSettings

RATE = 800


@dataclass
class Page:
    """A running page: a client, and what stands behind it."""

    client: TestClient
    workspace: Workspace

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(f"/page{path}", **options)

    def json(self, path: str) -> Any:
        response = self.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def upload(self, content: bytes, name: str) -> str:
        response = self.client.post("/page/recordings", params={"name": name}, content=content)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def id_of(self, name: str) -> str:
        [found] = [record["id"] for record in self.json("/recordings") if record["name"] == name]
        return str(found)

    def heard(self, recording_id: str) -> dict[str, Any]:
        """The record once it cannot change any more."""
        while True:
            record: dict[str, Any] = self.json(f"/recordings/{recording_id}")
            if record["state"] in ("done", "failed"):
                return record
            time.sleep(0.01)

    def put_labels(self, recording_id: str, document: Any) -> Any:
        return self.client.put(f"/page/recordings/{recording_id}/labels", json=document)


OpenPage = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def open_page(recognizer: Recognizer) -> OpenPage:
    """Opens a page with settings; `model` and `listen` may be others."""

    @contextmanager
    def opened(*, model: Recognizer | None = None, **settings: Any) -> Iterator[Page]:
        model = model or recognizer
        service = replace(ServiceSettings(), **settings)
        listener = Listener(model, service, lambda n_clips, wall_s: None)
        workspace = Workspace(model, listener.submit_scores, service)
        app = Starlette(routes=page_routes(workspace), exception_handlers={HtsatError: _answer})
        with listener, workspace:
            yield Page(TestClient(app), workspace)

    return opened


async def _answer(_: Request, error: Exception) -> Response:
    assert isinstance(error, HtsatError)
    return error_response(error)


@pytest.fixture
def bursts() -> FloatArray:
    """Four seconds of noise that is loud in the second and the fourth."""
    noise = np.random.default_rng(3).uniform(-1, 1, 4 * RATE).astype(np.float32)
    return noise * np.repeat(np.array([0.01, 0.8, 0.01, 0.8], np.float32), RATE)


@pytest.fixture
def folder(tmp_path: Path, bursts: FloatArray) -> Path:
    """A folder with two recordings, one of them deeper."""
    folder = tmp_path / "field"
    (folder / "deep").mkdir(parents=True)
    soundfile.write(folder / "bursts.wav", bursts, RATE)
    soundfile.write(folder / "deep" / "Grüße 日本.flac", bursts[RATE:], RATE)
    return folder


@pytest.fixture
def wav(folder: Path) -> bytes:
    return (folder / "bursts.wav").read_bytes()
