"""Nothing grows without bound, and nothing is left behind: sizes, places, clients that go, full disks."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from htsat.recognition.recognizer import Recognizer
from htsat.web import uploads
from htsat.web.app import create_app
from htsat.web.settings import ServiceSettings

Sound = Callable[..., bytes]
Until = Callable[[Callable[[], bool]], None]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def kept(spool: Path) -> list[Path]:
    """Recordings of requests that lie on disk."""
    return list(spool.glob("htsat-serve-*/*"))


def n_here(client: TestClient) -> int:
    """Requests that are heard or wait, as the service counts them."""
    [line] = [
        line for line in client.get("/metrics").text.splitlines() if line.startswith("htsat_queue_length")
    ]
    return int(line.split()[1])


def test_a_body_that_says_it_is_too_large_is_not_read(asking: Callable[..., Any], sound: Sound) -> None:
    content = sound()
    with asking(max_upload_bytes=len(content) - 1) as client:
        answer = client.post("/v1/tag", content=content)
        assert code(answer) == (413, "too_large")
        assert f"larger than {len(content) - 1} bytes" in answer.json()["error"]["message"]
    with asking(max_upload_bytes=len(content)) as client:
        assert client.post("/v1/tag", content=content).status_code == 200


def test_a_body_of_unknown_size_is_read_as_far_as_it_may_be(asking: Callable[..., Any], spool: Path) -> None:
    n_sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal n_sent
        while n_sent < 10_000_000:
            n_sent += 1000
            yield bytes(1000)

    with asking(max_upload_bytes=100_000) as client:
        assert code(client.post("/v1/tag", content=endless())) == (413, "too_large")
        assert kept(spool) == []


def test_a_form_is_limited_too(asking: Callable[..., Any]) -> None:
    with asking(max_upload_bytes=1000) as client:
        assert code(client.post("/v1/tag", files={"file": bytes(1001)})) == (413, "too_large")


@pytest.mark.parametrize("path", ["tag", "detect", "detect?stream=true", "embed"])
def test_a_recording_that_is_too_long_is_refused(asking: Callable[..., Any], sound: Sound, path: str) -> None:
    with asking(max_duration_s=2.0) as client:
        answer = client.post(f"/v1/{path}", params={"name": "long.wav"}, content=sound(2.1))
        assert code(answer) == (413, "too_long")
        message = "long.wav: lasts longer than 2 s, the longest that is heard here"
        assert answer.json()["error"]["message"] == message
        assert client.post(f"/v1/{path}", content=sound(2.0)).status_code == 200


@pytest.mark.parametrize("status", [200, 400, 413, 422])
def test_no_recording_is_left_behind(
    asking: Callable[..., Any], sound: Sound, spool: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    path, content = {
        200: ("/v1/tag", sound()),
        400: ("/v1/tag", b""),
        413: ("/v1/tag", sound(9.0)),
        422: ("/v1/tag", b"no sound"),
    }[status]
    with asking(max_duration_s=5) as client:
        assert client.post(path, content=content).status_code == status
        assert kept(spool) == []
    assert list(spool.iterdir()) == []


def test_a_full_disk_is_said_in_one_line(
    client: TestClient, sound: Sound, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def no_room(file: object, waiting: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads, "_append", no_room)
    answer = client.post("/v1/tag", content=sound())
    assert code(answer) == (507, "storage_full")
    assert answer.json()["error"]["message"] == "no room for the recording (No space left on device)"
    monkeypatch.undo()
    assert client.post("/v1/tag", content=sound()).status_code == 200


def test_those_for_whom_there_is_no_place_are_told_when_to_come_again(
    recognizer: Recognizer, engine: Any, sound: Sound, until: Until
) -> None:
    app = create_app(recognizer, ServiceSettings(queue_length=3))
    n_places = 8 + 3
    with TestClient(app, base_url="http://127.0.0.1") as client, ThreadPoolExecutor(n_places) as threads:
        engine.may_run.clear()
        asked = [threads.submit(client.post, "/v1/tag", content=sound()) for _ in range(n_places)]
        until(lambda: n_here(client) == n_places)
        for path in ("tag", "detect", "embed"):
            answer = client.post(f"/v1/{path}", content=sound())
            assert code(answer) == (429, "queue_full")
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert client.get("/healthz").status_code == 200
        engine.may_run.set()
        assert {future.result().status_code for future in asked} == {200}
        assert n_here(client) == 0
        assert client.post("/v1/tag", content=sound()).status_code == 200
        assert 'htsat_rejections_total{reason="queue_full"} 3' in client.get("/metrics").text


@contextmanager
def connected(port: int, head: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"{head}\r\nHost: 127.0.0.1:{port}\r\n".encode())
        yield connection


def gauge(port: int) -> int:
    with connected(port, "GET /metrics HTTP/1.1") as connection:
        connection.sendall(b"Connection: close\r\n\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return int(text.rpartition("\nhtsat_queue_length ")[2])


def test_a_client_that_leaves_while_it_sends_frees_its_place(
    recognizer: Recognizer, served: Callable[..., Any], until: Until, spool: Path
) -> None:
    with served(create_app(recognizer, ServiceSettings())) as port:
        with connected(port, "POST /v1/tag HTTP/1.1") as connection:
            connection.sendall(b"Content-Length: 1000000\r\n\r\nRIFF")
            until(lambda: gauge(port) == 1)
            assert len(kept(spool)) == 1
        until(lambda: gauge(port) == 0)
        until(lambda: not kept(spool))


def test_clients_that_leave_while_they_wait_free_their_places(
    recognizer: Recognizer, engine: Any, served: Callable[..., Any], sound: Sound, until: Until, spool: Path
) -> None:
    content = sound(30.0)
    with served(create_app(recognizer, ServiceSettings(queue_length=8))) as port:
        engine.may_run.clear()
        clients = []
        for _ in range(12):  # more than are heard at once
            client = socket.create_connection(("127.0.0.1", port), timeout=60)
            head = f"POST /v1/detect HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
            client.sendall(head.encode() + content)
            clients.append(client)
        until(lambda: gauge(port) == 12)
        n_heard = len(engine.batch_sizes)
        for client in clients:
            client.close()
        until(lambda: gauge(port) <= 8)  # those that wait go at once
        engine.may_run.set()
        until(lambda: gauge(port) == 0)
        # Each of those that were being heard had at most its first portion in the network.
        assert len(engine.batch_sizes) - n_heard <= 8 < 12 * 15
        assert kept(spool) == []


def test_a_client_that_leaves_its_stream_frees_its_place(
    recognizer: Recognizer, engine: Any, served: Callable[..., Any], sound: Sound, until: Until
) -> None:
    content = sound(600.0)
    n_batches = 600 * 2 // 4
    with served(create_app(recognizer, ServiceSettings())) as port:
        usual, step = engine.frame_scores, threading.Semaphore(8)

        def slowly(clips: Any) -> Any:
            assert step.acquire(timeout=60)
            return usual(clips)

        engine.frame_scores = slowly
        with connected(port, "POST /v1/detect?stream=true HTTP/1.1") as connection:
            connection.sendall(f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
            assert b"200 OK" in connection.recv(15)
        step.release(4)
        until(lambda: gauge(port) == 0)
        step.release(n_batches)
        assert len(engine.batch_sizes) < 20


def test_events_are_sent_before_all_is_heard(
    recognizer: Recognizer, engine: Any, served: Callable[..., Any], sound: Sound
) -> None:
    content = sound(60.0)
    with served(create_app(recognizer, ServiceSettings())) as port:
        usual, step = engine.frame_scores, threading.Semaphore(10)

        def slowly(clips: Any) -> Any:
            assert step.acquire(timeout=60)
            return usual(clips)

        engine.frame_scores = slowly
        with connected(port, "POST /v1/detect?stream=true HTTP/1.1") as connection:
            connection.sendall(
                f"Connection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
            )
            lines = connection.makefile("rb")
            first = next(line for line in lines if line.startswith(b"{"))
            n_heard = len(engine.batch_sizes)
            step.release(1000)
            last = [line for line in lines if line.startswith(b"{")][-1]
    assert json.loads(first)["onset"] < 10
    assert n_heard <= 10 < len(engine.batch_sizes)
    assert json.loads(last) == {"done": True, "duration": 60.0}


def test_a_client_that_stops_sending_is_not_waited_for(
    recognizer: Recognizer, served: Callable[..., Any], until: Until
) -> None:
    with served(create_app(recognizer, ServiceSettings(idle_s=0.2))) as port:
        with connected(port, "POST /v1/tag HTTP/1.1") as connection:
            connection.sendall(b"Connection: close\r\nContent-Length: 1000\r\n\r\nRIFF")
            text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        assert text.startswith("HTTP/1.1 408 ")
        assert "nothing more of the body came for 0.2 s" in text
        until(lambda: gauge(port) == 0)


def test_a_client_that_takes_nothing_is_not_waited_for(
    recognizer: Recognizer, served: Callable[..., Any], sound: Sound, until: Until, spool: Path
) -> None:
    content = sound(8000.0)
    settings = ServiceSettings(idle_s=0.5)
    with served(create_app(recognizer, settings)) as port, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        head = (
            f"POST /v1/embed?per=frame HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        connection.sendall(head.encode() + content)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        assert gauge(port) == 1
        until(lambda: gauge(port) == 0)
        assert kept(spool) == []


def test_a_large_body_is_never_in_memory(
    recognizer: Recognizer, served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, spool: Path
) -> None:
    written: list[int] = []
    usual = uploads._append

    async def noted(file: Any, waiting: bytearray) -> None:
        written.append(len(waiting))
        await usual(file, waiting)

    monkeypatch.setattr(uploads, "_append", noted)
    n_bytes = 20_000_000
    with (
        served(create_app(recognizer, ServiceSettings())) as port,
        connected(port, "POST /v1/tag HTTP/1.1") as connection,
    ):
        connection.sendall(
            f"Content-Length: {n_bytes}\r\nConnection: close\r\n\r\n".encode() + bytes(n_bytes)
        )
        assert b" 422 " in connection.recv(100)
    assert sum(written) == n_bytes
    assert max(written) < 2 * 2**20
