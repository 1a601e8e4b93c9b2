"""A server on this machine that behaves as well or as badly as the path asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CONTENT = bytes(range(256)) * 2000
"""What the file holds."""


class Server(ThreadingHTTPServer):
    """Remembers what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.released = threading.Event()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """The first part of the path says how to behave."""

    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        getattr(self, f"_{self.path.split('/')[1]}")()

    def _head(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _good(self) -> None:
        self._head(200, len(CONTENT))
        self.wfile.write(CONTENT)

    def _endless(self) -> None:
        """Without a length, until it is enough."""
        self._head(200, None)
        self.wfile.write(CONTENT)

    def _wrong(self) -> None:
        self._head(200, len(CONTENT))
        self.wfile.write(CONTENT[::-1])

    def _cut(self) -> None:
        """Breaks off, and cannot go on."""
        self._head(200, len(CONTENT))
        self.wfile.write(CONTENT[:1000])

    def _resumable(self) -> None:
        """Breaks off after the first half, but can go on."""
        half = len(CONTENT) // 2
        if self.headers.get("Range") != f"bytes={half}-" or self.headers.get("If-Range") != '"one"':
            self._head(200, len(CONTENT), ETag='"one"')
            self.wfile.write(CONTENT[:half])
            return
        span = f"bytes {half}-{len(CONTENT) - 1}/{len(CONTENT)}"
        self._head(206, len(CONTENT) - half, ETag='"one"', Content_Range=span)
        self.wfile.write(CONTENT[half:])

    def _replaced(self) -> None:
        """Breaks off, and has another file when it is asked to go on."""
        if self.headers.get("Range") is None:
            self._head(200, len(CONTENT), ETag='"one"')
            self.wfile.write(b"x" * 1000)
            return
        self._head(200, len(CONTENT), ETag='"two"')
        self.wfile.write(CONTENT)

    def _redirect(self) -> None:
        self._head(302, 0, Location=f"http://localhost:{self.server.server_port}/good/file")

    def _circle(self) -> None:
        self._head(302, 0, Location=self.path)

    def _elsewhere(self) -> None:
        self._head(302, 0, Location="file:///etc/passwd")

    def _huge(self) -> None:
        self._head(200, 10**15)

    def _hang(self) -> None:
        self.server.released.wait(20)

    def _slow(self) -> None:
        self._head(200, len(CONTENT))
        for _ in range(200):
            if self.server.released.wait(0.05):
                return
            self.wfile.write(b"x")

    def _missing(self) -> None:
        self.send_error(404)

    def _busy(self) -> None:
        self.send_error(503)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the machine, and a cache that is nobody else's."""
    for name in ("HTSAT_OFFLINE", "HF_HUB_OFFLINE", "HTSAT_MIRROR", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTSAT_CACHE", str(tmp_path / "cache"))
