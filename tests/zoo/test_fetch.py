from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from htsat.zoo import http
from htsat.zoo.fetch import FetchError, Wanted, below, fetch
from htsat.zoo.http import Limits

CONTENT = bytes(range(256)) * 2000  # what the server holds
DIGEST = hashlib.sha256(CONTENT).hexdigest()
QUICK = Limits(silence_s=0.2)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "models" / "file.bin"


def bring(target, *places, sha256=DIGEST, limits=QUICK):
    return fetch(Wanted("file", places, sha256, limits), target, lambda *_: None)


def refused(target, *places, **options):
    """The message of a failure, after which nothing remains."""
    with pytest.raises(FetchError) as caught:
        bring(target, *places, **options)
    assert list(target.parent.iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("way", ["good", "endless", "redirect", "resumable", "replaced"])
def test_a_whole_file_comes(server, target, way):
    assert bring(target, f"{server.base}/{way}/file") == DIGEST
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_broken_connection_is_taken_up_where_it_broke(server, target):
    bring(target, f"{server.base}/resumable/file")
    assert [asked for _, asked in server.asked] == [None, f"bytes={len(CONTENT) // 2}-"]


def test_a_digest_is_told_when_none_is_known(server, target):
    assert bring(target, f"{server.base}/good/file", sha256=None) == DIGEST


def test_progress_ends_with_the_whole(server, target):
    told = []
    wanted = Wanted("file", (f"{server.base}/good/file",), DIGEST)
    fetch(wanted, target, lambda n_bytes, total: told.append((n_bytes, total)))
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("missing", "404 Not Found"),
        ("busy", "503 Service Unavailable"),
        ("cut", f"ended after 1,000 of {len(CONTENT):,} bytes"),
        ("hang", "says nothing for 0.2 s"),
        ("slow", "sends less than 1 kB/s"),
        ("huge", "has 1,000,000,000,000,000 bytes, at most 16,000,000,000 are taken"),
        ("wrong", "has another content: its SHA-256 is "),
        ("elsewhere", "302 Found - Redirection to url 'file:///etc/passwd' is not allowed"),
        ("circle", "302 The HTTP server returned a redirect error"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line_and_nothing_remains(server, target, way, reason):
    address = f"{server.base}/{way}/file"
    assert refused(target, address).startswith(f"file could not be fetched from {address}: {reason}")


def test_a_file_without_a_length_is_cut_at_the_limit(server, target):
    told = refused(target, f"{server.base}/endless/file", limits=Limits(max_bytes=1000))
    assert told.endswith("has more than 1,000 bytes")


def test_the_next_place_is_asked_and_each_failure_is_named(server, target, tmp_path):
    bad = [f"{server.base}/missing/file", f"{server.base}/wrong/file", str(tmp_path / "none")]
    assert bring(target, *bad, f"{server.base}/good/file") == DIGEST
    target.unlink()
    told = refused(target, *bad)
    assert told.startswith("file could not be fetched from any of 3 places: (1) http://127.0.0.1")
    assert all(f"({number}) {place}: " in told for number, place in enumerate(bad, 1))


def test_an_older_file_stays_when_nothing_better_comes(server, target):
    target.parent.mkdir(parents=True)
    target.write_text("old")
    with pytest.raises(FetchError):
        bring(target, f"{server.base}/cut/file")
    assert target.read_text() == "old"


def test_a_closed_port_is_told(target):
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{port.getsockname()[1]}/file"
    assert refused(target, address).endswith(f"{address}: Connection refused")


@pytest.mark.parametrize("switch", ["HTSAT_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_opens_no_socket(target, monkeypatch, switch):
    monkeypatch.setenv(switch, "1")
    monkeypatch.setattr(socket, "socket", None)
    told = refused(target, "https://somewhere/file", "hf://owner/repo/file")
    assert told.count(f"was not asked, because {switch} is set") == 2


def test_folders_and_file_addresses_work_offline(target, tmp_path, monkeypatch):
    monkeypatch.setenv("HTSAT_OFFLINE", "yes")
    folder = tmp_path / "a mirror ü%20"
    folder.mkdir()
    (folder / "x=1.bin").write_bytes(CONTENT)
    assert bring(target, below(str(folder), "x=1.bin")) == DIGEST
    assert bring(target, below(folder.as_uri(), "x=1.bin")) == DIGEST


def test_a_folder_is_no_file(target, tmp_path):
    assert refused(target, str(tmp_path)).endswith(f"{tmp_path}: Is a directory")


def test_the_hub_is_asked_at_its_endpoint(server, target, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{server.base}/good/")
    assert bring(target, "hf://owner/repo/folder/a file.bin") == DIGEST
    assert server.asked == [("/good/owner/repo/resolve/main/folder/a%20file.bin", None)]


def test_https_is_not_left_for_an_open_connection():
    request = SimpleNamespace(full_url="https://one/file")
    with pytest.raises(http.SourceError, match=r"^leads from https to http://two/file$"):
        http._NoDowngrade().redirect_request(request, None, 302, "", {}, "http://two/file")


def test_several_may_fetch_at_once(server, target):
    errors = []

    def run():
        try:
            bring(target, f"{server.base}/good/file", limits=Limits())
        except FetchError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_disk_with_too_little_room_is_refused_before_anything_is_written(server, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    told = refused(target, f"{server.base}/good/file")
    assert f"has {len(CONTENT):,} bytes, but only 1,000 are free in {target.parent}" in told


def test_a_full_disk_is_told_and_nothing_remains(target, monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    told = refused(target, str(tmp_path / "file"))
    place = target.parent
    assert told == f"cannot write to {place}: No space left on device (HTSAT_CACHE names another folder)"


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(FetchError, match=r"^cannot write to .*: Read-only file system \(HTSAT_CACHE"):
        bring(tmp_path / "cache" / "file", str(tmp_path))
