"""Requests and names that were made to do harm, and the pages that show such names."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from htsat.cli.main import main
from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.labels import LabelSet
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray
from htsat.web.app import create_app
from htsat.web.multipart import FormFile
from htsat.web.problems import BadRequestError
from htsat.web.settings import ServiceSettings

RATE = 800
SCRIPT = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
DEEP = b"[" * 200_000
NAMES = [
    "../../x.wav",
    "..\\..\\x.wav",
    "/etc/x.wav",
    "C:\\x.wav",
    ".htsat",
    "..",
    "a\0b.wav",
    "x" * 5000 + ".wav",
]
NAMES += [
    "a\r\nset-cookie: b=c\r\n.wav",
    "x.csv",
    ".x.wav.draft.csv",
    SCRIPT,
    "\u202egnp.wav",
    "con.wav",
    " ",
    "\ud800",
]


class SilentEngine:
    """Hears nothing in clips of 1 s."""

    description = ModelDescription(
        name="silent",
        labels=LabelSet((SCRIPT,)),
        task="multi_label",
        rules=EventRules.usual((0.5,)),
        sample_rate=RATE,
        clip_samples=RATE,
        n_frames=4,
        n_coarse_frames=4,
        embedding_dim=2,
    )

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        frames = np.full((len(clips), 4, 1), -9, np.float32)
        both = np.zeros((len(clips), 4, 2), np.float32)
        return EngineOutput(frames, frames, both[:, 0], both)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outer") / "deep" / "workspace"


@pytest.fixture(scope="module")
def client(workspace: Path) -> Iterator[TestClient]:
    app = create_app(Recognizer(SilentEngine(), batch_size=4), ServiceSettings(workspace=workspace))
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def sound() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.random.default_rng(0).standard_normal(2 * RATE), RATE, format="WAV")
    return file.getvalue()


def uploaded(client: TestClient, sound: bytes, name: str) -> str:
    response = client.post("/page/recordings", params={"name": name.encode(errors="replace")}, content=sound)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


@pytest.mark.parametrize("name", NAMES)
def test_no_upload_lies_outside_of_its_folder(
    client: TestClient, workspace: Path, sound: bytes, name: str
) -> None:
    """Names become one file in a folder of its own, and so do labels and downloads of it."""
    recording = uploaded(client, sound, name)
    labels = {"reviewed": True, "events": [{"label": "../../x", "onset": 0, "offset": 1}]}
    saved = client.put(f"/page/recordings/{recording}/labels", json=labels)
    assert saved.status_code == 200, saved.text
    files = {path.name for path in (workspace / "uploads" / recording).iterdir()}
    assert len(files) == 2
    outer = workspace.parent.parent
    assert {path.name for path in outer.iterdir()} == {"deep"}
    assert {path.name for path in workspace.parent.iterdir()} == {"workspace"}
    assert {path.name for path in workspace.iterdir()} <= {"uploads", ".htsat"}
    download = client.get(f"/page/recordings/{recording}/events.csv", params={"source": "labels"})
    disposition = download.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert disposition.isprintable()
    assert "set-cookie" not in download.headers
    assert client.delete(f"/page/recordings/{recording}").status_code == 204
    assert list((workspace / "uploads").iterdir()) == []


STEPS = [
    "..",
    "%2e%2e",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2fetc%2fpasswd",
    "..%5c..",
    "%00",
    "\u2025",
    "a" * 5000,
]


@pytest.mark.parametrize("step", STEPS)
def test_ids_lead_to_no_file(client: TestClient, step: str) -> None:
    for method, path in (
        ("GET", f"/page/recordings/{step}"),
        ("GET", f"/page/recordings/{step}/audio"),
        ("GET", f"/page/recordings/{step}/labels"),
        ("PUT", f"/page/recordings/{step}/labels"),
        ("DELETE", f"/page/recordings/{step}"),
        ("GET", f"/page/recordings/{step}/events.{step}"),
        ("GET", f"/static/{step}"),
        ("GET", f"/static/../{step}/app.py"),
    ):
        response = client.request(method, path)
        assert response.status_code in (200, 404, 405)
        assert "root:" not in response.text
        assert "create_app" not in response.text


BODIES = {
    "deep": DEEP,
    "digits": b"9" * 100_000,
    "surrogates": b'{"reviewed": true, "events": [{"label": "\\ud800", "onset": 0, "offset": 1}]}',
    "no numbers": b'{"reviewed": true, "events": [{"label": "a", "onset": NaN, "offset": Infinity}]}',
    "huge": b'{"reviewed": true, "events": [{"label": "a", "onset": 0, "offset": 1' + b"0" * 400 + b"}]}",
    "long label": json.dumps(
        {"reviewed": True, "events": [{"label": "a" * 10_000, "onset": 0, "offset": 1}]}
    ).encode(),
    "many": json.dumps(
        {"reviewed": True, "events": [{"label": "a", "onset": 0, "offset": 1}] * 100_001}
    ).encode(),
    "other fields": b'{"reviewed": true, "events": [], "path": "/etc/passwd"}',
    "not utf-8": b"\xff\xff",
    "nothing": b"",
}


@pytest.mark.parametrize("name", BODIES)
def test_labels_that_are_refused(client: TestClient, sound: bytes, name: str) -> None:
    recording = uploaded(client, sound, "a.wav")
    response = client.put(f"/page/recordings/{recording}/labels", content=BODIES[name])
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert "\n" not in message
    assert len(message) < 1000
    assert client.get(f"/page/recordings/{recording}/labels").json() is None
    client.delete(f"/page/recordings/{recording}")


def test_as_many_labels_as_are_allowed(client: TestClient, sound: bytes) -> None:
    recording = uploaded(client, sound, "a.wav")
    events = [{"label": f"=cmd|{number}", "onset": 0, "offset": 1} for number in range(100_000)]
    response = client.put(f"/page/recordings/{recording}/labels", json={"reviewed": True, "events": events})
    assert response.status_code == 200
    assert len(response.json()["events"]) == 100_000
    client.delete(f"/page/recordings/{recording}")


def part(header: bytes, content: bytes = b"x") -> bytes:
    return b"--b\r\n" + header + b"\r\n\r\n" + content + b"\r\n"


FILE = b'Content-Disposition: form-data; name="file"; filename="a.wav"'
FORMS = {
    "100,000 parts": part(FILE) * 100_000 + b"--b--\r\n",
    "a header of 1 MB": part(FILE + b"; x=" + b"a" * 2**20) + b"--b--\r\n",
    "a name of 1 MB": part(b"A" * 2**20 + b": b\r\n" + FILE) + b"--b--\r\n",
    "10,000 headers": part(b"A: b\r\n" * 10_000 + b"B: c") + b"--b--\r\n",
    "no end": part(FILE),
    "no parts": b"--b--\r\n",
    "another field": part(b'Content-Disposition: form-data; name="path"'),
    "no disposition": part(b"A: b"),
    "deep quotes": part(b'Content-Disposition: form-data; name="' + b'\\"' * 2000) + b"--b--\r\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_that_are_refused(client: TestClient, name: str) -> None:
    for path in ("/v1/tag", "/page/recordings"):
        response = client.post(
            path, content=FORMS[name], headers={"content-type": "multipart/form-data; boundary=b"}
        )
        assert response.status_code == 400
        assert len(response.json()["error"]["message"]) < 1000


def test_a_header_without_end_is_not_gathered() -> None:
    """A gigabyte of one header, in pieces as they come, is refused with the first of them."""
    form = FormFile("multipart/form-data; boundary=b")
    form.take(b"--b\r\nContent-Disposition: ")
    with pytest.raises(BadRequestError, match="header"):
        form.take(b"a" * 2**16)


@pytest.mark.parametrize("boundary", ["", "b" * 100_000, '"', "\0", "é"])
def test_boundaries_that_are_refused(boundary: str) -> None:
    with pytest.raises(BadRequestError):
        FormFile(f"multipart/form-data; boundary={boundary}").take(b"--" + boundary.encode() + b"\r\n:")


QUERIES = [
    f"top={'9' * 5000}",
    "threshold=nan",
    "threshold=1e999",
    "classes=" + "a" * 5000,
    "top=1&top=2",
    "a=b",
]
QUERIES += ["min_duration=-0.1", "median_filter=1e9", "threshold=%00"]


@pytest.mark.parametrize("query", QUERIES)
def test_queries_that_are_refused(client: TestClient, sound: bytes, query: str) -> None:
    assert client.post(f"/v1/detect?{query}", content=sound).status_code == 400


class Tags(HTMLParser):
    """Names of tags and of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recordings" / "<img src=x onerror=alert(1)>\"'&.wav"
    path.parent.mkdir()
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(8000), 8000)
    return path


def test_no_name_becomes_a_tag_in_a_report(recording: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    event = {"label": SCRIPT, "onset": 0.0, "offset": 0.5, "probability": 0.9}
    events.write_text(json.dumps({"file": str(recording), "duration": 1.0, "events": [event]}) + "\n")
    page = tmp_path / "a.html"
    asked = ["report", str(recording.parent), "--events", str(events), "-o", str(page), "--title", SCRIPT]
    assert main(asked) == 0
    text = page.read_text(encoding="utf-8")
    assert "alert(1)" in text
    check_harmless(text)


def test_no_name_becomes_a_tag_in_a_picture(recording: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    assert main(["plot", str(recording), "-o", str(page)]) == 0
    check_harmless(page.read_text(encoding="utf-8"))


def check_harmless(text: str) -> None:
    for tag, attributes in Tags(text).found:
        assert not [name for name in attributes if name.startswith("on")], tag
    assert "<script>alert" not in text
    assert "<img src=x" not in text
