from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from htsat.errors import HtsatError
from htsat.web.page import ranges
from htsat.web.problems import error_response

CONTENT = bytes(range(100))


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(ranges, "_CHUNK_BYTES", 7)
    (tmp_path / "file").write_bytes(CONTENT)
    (tmp_path / "empty").write_bytes(b"")

    def serve(request: Request) -> Response:
        return ranges.file_response(request, tmp_path / request.path_params["name"], "audio/wav")

    async def answer(_: Request, error: Exception) -> Response:
        assert isinstance(error, HtsatError)
        return error_response(error)

    return TestClient(Starlette(routes=[Route("/{name}", serve)], exception_handlers={HtsatError: answer}))


def test_the_whole(client: TestClient) -> None:
    response = client.get("/file")
    assert (response.status_code, response.content) == (200, CONTENT)
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-length"] == "100"
    assert response.headers["content-type"] == "audio/wav"
    assert "content-range" not in response.headers


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-", 0, 100),
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=90-1000", 90, 100),
        ("bytes=99-", 99, 100),
        ("bytes=-1", 99, 100),
        ("bytes=-5", 95, 100),
        ("bytes=-1000", 0, 100),
        ("Bytes = 3 - 4 ", 3, 5),
    ],
)
def test_one_range(client: TestClient, wanted: str, start: int, stop: int) -> None:
    for response in (
        client.get("/file", headers={"Range": wanted}),
        client.head("/file", headers={"Range": wanted}),
    ):
        assert response.status_code == 206
        assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/100"
        assert response.headers["content-length"] == str(stop - start)
        assert response.content == (CONTENT[start:stop] if response.request.method == "GET" else b"")


@pytest.mark.parametrize(
    "wanted", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=999999999999999999999-"]
)
def test_behind_the_end(client: TestClient, wanted: str) -> None:
    response = client.get("/file", headers={"Range": wanted})
    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */100"
    assert response.json()["error"]["code"] == "range_not_satisfiable"


@pytest.mark.parametrize("wanted", ["bytes=0-", "bytes=-5"])
def test_nothing_of_an_empty_file(client: TestClient, wanted: str) -> None:
    assert client.get("/empty", headers={"Range": wanted}).status_code == 416
    assert client.get("/empty").content == b""


@pytest.mark.parametrize(
    "wanted",
    ["bytes=-", "bytes=5-4", "bytes=a-b", "items=0-5", "bytes=0-1,5-6", "bytes", "bytes=٣-٤".encode()],
)
def test_what_is_not_understood_brings_all(client: TestClient, wanted: str | bytes) -> None:
    response = client.get("/file", headers={"Range": wanted})
    assert (response.status_code, response.content) == (200, CONTENT)


def test_only_if_nothing_has_changed(client: TestClient, tmp_path: Path) -> None:
    told = client.get("/file").headers
    for condition in (told["etag"], told["last-modified"]):
        response = client.get("/file", headers={"Range": "bytes=1-2", "If-Range": condition})
        assert response.status_code == 206
    for condition in ('"other"', "W/" + told["etag"], "Thu, 01 Jan 1970 00:00:00 GMT"):
        response = client.get("/file", headers={"Range": "bytes=500-", "If-Range": condition})
        assert (response.status_code, response.content) == (200, CONTENT)
    (tmp_path / "file").write_bytes(CONTENT + b"more")
    response = client.get("/file", headers={"Range": "bytes=1-2", "If-Range": told["etag"]})
    assert (response.status_code, response.content) == (200, CONTENT + b"more")


def test_head(client: TestClient) -> None:
    response = client.head("/file")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == "100"
