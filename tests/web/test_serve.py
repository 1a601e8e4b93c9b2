"""`htsat serve`, as a person starts and ends it."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from htsat.cli import serve
from htsat.cli.main import main
from htsat.loading import LoadedModel

DOG = Path(__file__).parents[2] / "examples" / "dog.ogg"
LINE = re.compile(r"htsat: listening at (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends\)\n")

Until = Callable[[Callable[[], bool]], None]


@contextmanager
def running(tmp_path: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that serves on a free port, and its address."""
    command = [sys.executable, "-m", "htsat", "serve", "--port", "0", "--threads", "1", *options]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environment) as process:
        try:
            assert process.stderr
            line = process.stderr.readline()
            found = LINE.fullmatch(line)
            assert found, line
            yield process, found[1]
        finally:
            process.kill()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_ends_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    with running(tmp_path) as (process, address):
        request = urllib.request.Request(f"{address}v1/tag?top=1", DOG.read_bytes(), method="POST")
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert json.load(answer)["tags"][0]["label"] == "dog"
        process.send_signal(ending)
        rest = process.communicate(timeout=120)
    assert rest == ("", "")
    assert process.returncode == (0 if ending == signal.SIGINT else -signal.SIGTERM)
    assert list(tmp_path.iterdir()) == []


def test_it_ends_while_a_client_has_not_sent_all(tmp_path: Path) -> None:
    with running(tmp_path) as (process, address):
        port = int(address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
            head = f"POST /v1/tag HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 99999\r\n\r\nRIFF"
            connection.sendall(head.encode())
            with urllib.request.urlopen(f"{address}readyz", timeout=120) as answer:
                assert answer.status == 200
            process.send_signal(signal.SIGINT)
            rest = process.communicate(timeout=120)
            assert b"HTTP/1.1 503 " in connection.recv(65536)
    assert rest == ("", "")
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_in_use_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    message = f"htsat: port {port} of 127.0.0.1 is in use; --port chooses another\n"
    assert capsys.readouterr() == ("", message)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (
            ["--host", "0.0.0.0"],
            2,
            "--host 0.0.0.0 is reached by other machines: give a --token, or say --no-token",
        ),
        (["--host", "nowhere.invalid", "--no-token"], 2, "--host nowhere.invalid: "),
        (["--host", "192.0.2.1", "--no-token", "--port", "0"], 1, "port 0 of 192.0.2.1: "),
        (["--port", "65536"], 2, "argument --port: expected a whole number from 0 to 65535, got '65536'"),
        (["--port", "-1"], 2, "argument --port: expected a whole number from 0 to 65535, got '-1'"),
        (["--token", "x", "--no-token"], 2, "--token and --no-token are given; one of them holds"),
        (["--token", "a b"], 2, "token must not hold spaces"),
        (["--max-duration-s", "0"], 2, "max_duration_s must be a number of seconds above 0, got 0.0"),
        (["--queue", "0"], 2, "argument --queue: expected a whole number, at least 1, got '0'"),
        (["no-such-folder"], 1, "no-such-folder: no such file or folder"),
        (["--opne"], 2, "unknown option '--opne'; did you mean '--open'?"),
        (["--model", "no-such-model", "--port", "0"], 1, ""),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, message: str
) -> None:
    assert main(["serve", *options]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"htsat: {message}")
    assert said.err.count("\n") == 1


@pytest.fixture
def cannot_begin(monkeypatch: pytest.MonkeyPatch, nano: LoadedModel) -> None:
    """Models whose answers cannot be written."""

    def full(recognizer: Any, folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "model.npz"))

    monkeypatch.setattr(serve, "load_model", lambda args: nano)
    monkeypatch.setattr("htsat.web.page.workspace.keep_scores_of", full)


def test_why_it_cannot_begin_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, cannot_begin: None
) -> None:
    with ThreadPoolExecutor(1) as thread:  # where tests of the page have left no loop that runs
        code = thread.submit(main, ["serve", "--port", "0", "--workspace", str(tmp_path)])
        assert code.result() == 1
    message = f"htsat: {tmp_path}/.htsat/model.npz: No space left on device\n"
    assert capsys.readouterr() == ("", message)


def test_a_workspace_is_a_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nano: LoadedModel
) -> None:
    monkeypatch.setattr(serve, "load_model", lambda args: nano)
    (tmp_path / "file").touch()
    assert main(["serve", "--port", "0", "--workspace", str(tmp_path / "file")]) == 1
    message = f"htsat: {tmp_path}/file: cannot be the workspace: Not a directory\n"
    assert capsys.readouterr() == ("", message)


class Served:
    """What would be served."""

    app: Starlette
    port: int


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, nano: LoadedModel) -> Served:
    """Commands keep here what they would serve, and end."""
    served = Served()

    def keep(app: Starlette, listening: socket.socket) -> None:
        served.app, served.port = app, listening.getsockname()[1]
        with TestClient(app):
            pass

    monkeypatch.setattr(serve, "load_model", lambda args: nano)
    monkeypatch.setattr(serve, "_serve", keep)
    return served


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that a browser was sent to."""
    addresses: list[str] = []
    monkeypatch.setattr("webbrowser.open", addresses.append)
    return addresses


def test_a_browser_is_opened_with_the_token(kept: Served, opened: list[str], until: Until) -> None:
    assert main(["serve", "--port", "0", "--token", "sesame", "--open"]) == 0
    until(lambda: bool(opened))
    assert opened == [f"http://127.0.0.1:{kept.port}/?token=sesame"]


def test_the_token_is_never_said(kept: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--token", "sesame"]) == 0
    assert capsys.readouterr().err == f"htsat: listening at http://127.0.0.1:{kept.port}/ (Ctrl-C ends)\n"


def test_the_token_may_stand_in_the_environment(
    kept: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTSAT_TOKEN", "sesame")
    assert main(["serve", "--port", "0", "--host", "0.0.0.0"]) == 0
    client = TestClient(kept.app, base_url="http://127.0.0.1")
    assert client.get("/v1/model").status_code == 401
    assert client.get("/v1/model", headers={"authorization": "Bearer sesame"}).status_code == 200
    assert main(["serve", "--port", "0", "--host", "0.0.0.0", "--no-token"]) == 0
    assert TestClient(kept.app, base_url="http://127.0.0.1").get("/v1/model").status_code == 200


def test_addresses_of_the_sixth_kind_stand_in_brackets(
    kept: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    code = main(["serve", "--port", "0", "--host", "::1"])
    said = capsys.readouterr().err
    if code:
        assert said.startswith("htsat: port 0 of ::1: ")  # the machine has it, but no such address
    else:
        assert said.startswith(f"htsat: listening at http://[::1]:{kept.port}/ ")


def test_nobody_is_refused_while_the_model_loads(monkeypatch: pytest.MonkeyPatch, kept: Served) -> None:
    connected: list[bool] = []

    def load(args: Any) -> LoadedModel:
        with socket.create_connection(("127.0.0.1", args.port), timeout=60):
            connected.append(True)
        raise KeyboardInterrupt

    monkeypatch.setattr(serve, "load_model", load)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert main(["serve", "--port", str(port)]) == 130
    assert connected == [True]
