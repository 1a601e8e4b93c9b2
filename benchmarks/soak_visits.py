"""What clients of a day do to `htsat serve`: each visit asks, and knows what must come back."""

from __future__ import annotations

import io
import json
import random
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from htsat.audio import load_audio

FORMATS = (
    ("WAV", 32_000),
    ("WAV", 44_100),
    ("FLAC", 48_000),
    ("OGG", 22_050),
    ("WAV", 8_000),
    ("FLAC", 16_000),
)
PARTS_S = ((7.0, 12.0), (12.0, 20.0), (16.0, 26.0), (30.0, 36.0), (36.0, 41.0), (41.0, 50.0))
STREAMED_S = 20.0
TOLERANCE = 1e-4
"""So much may numbers differ from those of a recording that was heard alone: batches round differently."""

_NAMED = "one-recording.wav"


class Sounds(NamedTuple):
    """The bodies of requests."""

    short: list[bytes]
    long: bytes


def sounds(scene: Path) -> Sounds:
    """Recordings of 5 to 10 s in several formats and rates, and a longer one."""
    short = [
        encoded(load_audio(scene, rate)[round(start * rate) : round(stop * rate)], rate, name)
        for (name, rate), (start, stop) in zip(FORMATS, PARTS_S, strict=True)
    ]
    return Sounds(short, encoded(load_audio(scene, 32_000)[: round(STREAMED_S * 32_000)], 32_000, "FLAC"))


def encoded(waveform: Any, rate: int, name: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, waveform, rate, format=name)
    return file.getvalue()


@dataclass
class Tally:
    """What was sent and what came back, of all clients together."""

    visits: Counter[str] = field(default_factory=Counter)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def n_requests(self) -> int:
        return self.answers.total() + self.left.total()


class Client:
    """One that makes visits; `alone` are the answers to each recording when nothing else was asked."""

    def __init__(self, port: int, recordings: Sounds, tally: Tally, alone: dict[str, Any]) -> None:
        self._port = port
        self._sounds = recordings
        self._tally = tally
        self._alone = alone
        self._connection = HTTPConnection("127.0.0.1", port, timeout=600)

    def visit(self, kind: str, dice: random.Random) -> None:
        """Make one visit; what was not as expected goes to the tally."""
        try:
            getattr(self, kind)(dice)
        except (OSError, HTTPException) as error:
            self._check(False, f"{kind}: no answer: {error!r}")
            self._connection.close()
        with self._tally.lock:
            self._tally.visits[kind] += 1

    def close(self) -> None:
        self._connection.close()

    def tag(self, dice: random.Random) -> None:
        self._hear("tag", dice)

    def detect(self, dice: random.Random) -> None:
        self._hear("detect", dice)

    def embed(self, dice: random.Random) -> None:
        self._hear("embed", dice)

    def form(self, dice: random.Random) -> None:
        """As browsers send files."""
        index = dice.randrange(len(self._sounds.short))
        head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{_NAMED}"\r\n\r\n'
        body = head.encode() + self._sounds.short[index] + b"\r\n--b--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        self._expect(self.ask("POST", "/v1/tag", body, headers=headers), f"tag {index}")

    def stream(self, _: random.Random) -> None:
        text = self.ask("POST", f"/v1/detect?stream=true&name={_NAMED}", self._sounds.long)
        self._expect([json.loads(line) for line in text.splitlines()], "stream")

    def facts(self, dice: random.Random) -> None:
        self.ask("GET", dice.choice(("/v1/model", "/healthz", "/readyz", "/metrics", "/openapi.json", "/")))

    def wrong(self, dice: random.Random) -> None:
        """Requests that are refused."""
        body = self._sounds.short[0]
        method, path, content, status, route = dice.choice(
            (
                ("POST", "/v1/tag?tpo=1", body, 400, "/v1/tag"),
                ("POST", "/v1/detect?threshold=loud", body, 400, "/v1/detect"),
                ("POST", "/v1/nothing", body, 404, "other"),
                ("GET", "/v1/tag", None, 405, "/v1/tag"),
                ("GET", "/page/recordings/none", None, 404, "/page/recordings/{id}"),
            )
        )
        self.ask(method, path, content, status, route=route)

    def broken(self, dice: random.Random) -> None:
        """Bodies that are no recordings."""
        content, status = dice.choice(((dice.randbytes(50_000), 422), (b"", 400), (b"RIFF" + bytes(60), 422)))
        self.ask("POST", dice.choice(("/v1/tag", "/v1/detect", "/v1/embed")), content, status)

    def leave_upload(self, dice: random.Random) -> None:
        """Go away in the middle of an upload."""
        body = dice.choice(self._sounds.short)
        self._leave("/v1/tag", body, len(body) // 2, is_answered=False)

    def leave_hearing(self, dice: random.Random) -> None:
        """Go away when all is sent, and nothing has come."""
        body = dice.choice(self._sounds.short)
        self._leave("/v1/detect", body, len(body), is_answered=False)

    def leave_stream(self, _: random.Random) -> None:
        """Go away after the first events."""
        body = self._sounds.long
        self._leave("/v1/detect?stream=true&threshold=0.1", body, len(body), is_answered=True)

    def page(self, dice: random.Random) -> None:
        """Bring a recording to the page, look at it, correct it, take the labels, remove it."""
        content = dice.choice(self._sounds.short)
        record = json.loads(self.ask("POST", f"/page/recordings?name={_NAMED}", content, 201))
        path, route = f"/page/recordings/{record['id']}", "/page/recordings/{id}"
        told = self.ask("GET", f"{path}/progress", route=f"{route}/progress").strip().splitlines()[-1]
        self._check(json.loads(told.removeprefix("data: "))["state"] == "done", f"page: {told}")
        for name in ("waveform", "spectrogram", "tags", "audio?start=1&end=2"):
            self.ask("GET", f"{path}/{name}", route=f"{route}/{name.partition('?')[0]}")
        heard = json.loads(self.ask("GET", f"{path}/events", route=f"{route}/events"))["events"]
        events = [{name: event[name] for name in ("label", "onset", "offset")} for event in heard]
        labels = {"reviewed": dice.random() < 0.5, "events": events}
        self.ask("PUT", f"{path}/labels", json.dumps(labels).encode(), route=f"{route}/labels")
        kept = json.loads(self.ask("GET", f"{path}/labels", route=f"{route}/labels"))
        key = json.dumps
        same = sorted(map(key, kept["events"])) == sorted(map(key, events))
        self._check(same and kept["reviewed"] == labels["reviewed"], f"labels: {kept} are not {labels}")
        self.ask("GET", f"{path}/events.csv?source=labels", route=f"{route}/events.{{ending}}")
        self.ask("DELETE", path, status=204, route=route)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        status: int = 200,
        *,
        route: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> str:
        """Send a request, wait for the answer and count it."""
        self._connection.request(method, path, body, headers or {})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.will_close:
            self._connection.close()
        with self._tally.lock:
            self._tally.answers[route or path.partition("?")[0], answer.status] += 1
        self._check(answer.status == status, f"{method} {path}: {answer.status} {content[:200]!r}")
        return content.decode("utf-8", "replace")

    def _hear(self, what: str, dice: random.Random) -> None:
        index = dice.randrange(len(self._sounds.short))
        answer = self.ask("POST", f"/v1/{what}?name={_NAMED}", self._sounds.short[index])
        self._expect(answer, f"{what} {index}")

    def _expect(self, answer: Any, key: str) -> None:
        """The first answer about a recording is remembered, all others must be the same."""
        document = json.loads(answer) if isinstance(answer, str) else answer
        known = self._alone.setdefault(key, document)
        self._check(alike(document, known), f"{key}: {str(document)[:200]} is not {str(known)[:200]}")

    def _check(self, is_so: bool, what: str) -> None:
        if not is_so:
            with self._tally.lock:
                self._tally.wrong.append(what)

    def _leave(self, path: str, body: bytes, n_sent: int, *, is_answered: bool) -> None:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self._port), timeout=600) as connection:
            connection.sendall(head.encode() + body[:n_sent])
            if is_answered:
                connection.recv(100)
        with self._tally.lock:
            self._tally.left[path.partition("?")[0]] += 1


def alike(one: Any, other: Any) -> bool:
    """Whether two documents are the same but for rounding."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)
