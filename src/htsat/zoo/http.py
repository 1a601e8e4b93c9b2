"""One file from one address: checked for its length, taken up again where a connection broke."""

from __future__ import annotations

import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from htsat.errors import HtsatError

_CHUNK_BYTES = 1 << 18
_N_ATTEMPTS = 5


OnProgress = Callable[[int, int | None], None]
"""Told how many bytes there are, and of how many, where that is known."""


class SourceError(HtsatError):
    """An address that does not give the file; another one may."""


@dataclass(frozen=True)
class Limits:
    """When to give an address up.

    - `silence_s`: how long it may say nothing.
    - `least_bytes_per_s`: the slowest it may be, measured after `silence_s`.
    - `max_bytes`: the largest file that is taken.
    """

    silence_s: float = 30.0
    least_bytes_per_s: float = 1000.0
    max_bytes: int = 16_000_000_000


class _Answer(NamedTuple):
    """What a server has begun to send; `total` bytes belong to the whole file, where it says so."""

    response: HTTPResponse
    is_rest: bool
    total: int | None
    tag: str | None


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirections, to other hosts too, but never from `https` to an open connection."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The request for the new place."""
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise SourceError(f"leads from https to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def receive(address: str, target: Path, limits: Limits, on_progress: OnProgress) -> None:
    """Write the file of an `http` or `https` address to `target`.

    A connection that breaks is taken up again where it broke, if the server can do that and still has the
    same file.

    Raises:
        SourceError: with the reason, without the address.
        OSError: when `target` cannot be written.
    """
    tag: str | None = None
    with target.open("wb") as file:
        for _ in range(_N_ATTEMPTS):
            n_before = file.tell()
            answer = _asked(address, n_before if tag else 0, tag, limits)
            with answer.response:
                if not answer.is_rest:
                    _restart(file)
                _check_size(answer.total, file.tell(), target.parent, limits)
                trouble = _pour(answer, file, limits, on_progress)
            if trouble is None:
                return
            tag = answer.tag
            if tag is None or file.tell() <= n_before:
                break
    raise SourceError(trouble)


def _asked(address: str, start: int, tag: str | None, limits: Limits) -> _Answer:
    headers = {"User-Agent": "htsat", "Accept-Encoding": "identity"}
    if start and tag:
        headers |= {"Range": f"bytes={start}-", "If-Range": tag}
    request = urllib.request.Request(address, headers=headers)
    try:
        response = urllib.request.build_opener(_NoDowngrade).open(request, timeout=limits.silence_s)
    except urllib.error.HTTPError as error:
        with error:
            raise SourceError(" ".join(f"{error.code} {error.reason}".split())) from None
    except (OSError, HTTPException, ValueError) as error:
        raise SourceError(_words(error, limits)) from None
    is_rest = response.status == 206 and response.headers.get("Content-Range", "").startswith(
        f"bytes {start}-"
    )
    length = response.headers.get("Content-Length", "")
    total = int(length) + (start if is_rest else 0) if length.isdecimal() else None
    return _Answer(response, is_rest, total, _strong(response.headers.get("ETag")))


def _strong(tag: str | None) -> str | None:
    """A tag that stands for exactly the same bytes; weak ones do not."""
    return tag if tag and not tag.startswith("W/") else None


def _restart(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _check_size(total: int | None, n_there: int, folder: Path, limits: Limits) -> None:
    if total is None:
        return
    if total > limits.max_bytes:
        raise SourceError(f"has {total:,} bytes, at most {limits.max_bytes:,} are taken")
    n_free = shutil.disk_usage(folder).free
    if total - n_there > n_free:
        raise SourceError(f"has {total:,} bytes, but only {n_free:,} are free in {folder}")


def _pour(answer: _Answer, file: BinaryIO, limits: Limits, on_progress: OnProgress) -> str | None:
    """Write all that comes; what went wrong on the way, if something did."""
    n_first, started_s = file.tell(), time.monotonic()
    while True:
        try:
            chunk = answer.response.read1(_CHUNK_BYTES)
        except (OSError, HTTPException) as error:
            return _words(error, limits)
        if not chunk:
            break
        file.write(chunk)
        on_progress(file.tell(), answer.total)
        if file.tell() > limits.max_bytes:
            raise SourceError(f"has more than {limits.max_bytes:,} bytes")
        passed_s = time.monotonic() - started_s
        if passed_s > limits.silence_s and file.tell() - n_first < limits.least_bytes_per_s * passed_s:
            raise SourceError(f"sends less than {limits.least_bytes_per_s / 1e3:g} kB/s")
    if answer.total is not None and file.tell() != answer.total:
        return f"ended after {file.tell():,} of {answer.total:,} bytes"
    return None


def _words(error: Exception, limits: Limits) -> str:
    """What went wrong, in one line."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"says nothing for {limits.silence_s:g} s"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return " ".join(str(reason).split()) or type(reason).__name__
