"""A web server for tests: it knows ranges of bytes, and does wrong what it is told to."""

from __future__ import annotations

import io
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

PASSING_FAULTS = ("500", "503", "reset", "truncated", "slow", "silent", "garbage", "gone")
"""After which the same request is answered well."""
SILENCE_S = 0.5
ENDLESS_BYTES = 64_000_000
"""Of bodies that are far longer than anybody asked for: more than lies in connections by itself."""


class FaultyServer:
    """Serves the files of a folder at `address`; each request takes the next of `faults`, if there is one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: deque[str] = deque()
        self.paths: list[str] = []
        """Asked for, in their order."""
        self.n_endless_bytes = 0
        """Of endless bodies, that a client has taken."""
        self.tag = '"first"'
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = _Quiet(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[FaultyServer]:
        """Answer until the block ends."""
        thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients leave when they have heard enough."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultyServer

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self.owner.paths.append(self.path)
        fault = self.owner.faults.popleft() if self.owner.faults else ""
        if fault == "gone":
            self.close_connection = True
        elif fault == "silent":
            time.sleep(2 * SILENCE_S)
            self.close_connection = True
        elif fault.startswith("endless"):
            self._go_on(int(fault.removeprefix("endless ")))
        elif fault.isdecimal():
            self._fail(int(fault))
        elif fault.startswith("moved"):
            self.send_response(302)
            self.send_header(
                "Location", fault.removeprefix("moved ") if " " in fault else f"/moved{self.path}"
            )
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._send(fault)

    def _go_on(self, status: int) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", str(ENDLESS_BYTES))
        self.end_headers()
        with suppress(ConnectionError):
            for _ in range(ENDLESS_BYTES // 1_000_000):
                self.wfile.write(bytes(1_000_000))
                self.owner.n_endless_bytes += 1_000_000

    def _fail(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"sorry")

    def _send(self, fault: str) -> None:
        path = self.owner.folder / self.path.removeprefix("/moved").lstrip("/")
        if not path.is_file():
            return self._fail(404)
        content = path.read_bytes()
        first, last = (int(text) for text in self.headers["Range"].removeprefix("bytes=").split("-"))
        if last >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        data = content if fault == "whole" else content[first : last + 1]
        self.send_response(200 if fault == "whole" else 206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("ETag", self.owner.tag)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self._write(bytes(len(data)) if fault == "garbage" else data, fault)
        return None

    def _write(self, data: bytes, fault: str) -> None:
        half = len(data) // 2
        self.wfile.write(data[:half])
        self.wfile.flush()
        match fault:
            case "truncated":
                self.close_connection = True
                return
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                self.wfile = io.BytesIO()  # the base class flushes it at the end
                return
            case "slow":
                time.sleep(SILENCE_S / 5)
        self.wfile.write(data[half:])
