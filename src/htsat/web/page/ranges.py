"""A file over HTTP, or the part of it that was asked for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from htsat.web.problems import ServiceError

_CHUNK_BYTES = 2**18
_RANGE = re.compile(r"bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", flags=re.ASCII | re.IGNORECASE)


class OutsideError(ServiceError):
    """A range behind the end of a file."""

    status, code = 416, "range_not_satisfiable"

    def __init__(self, n_bytes: int) -> None:
        super().__init__(f"the range lies behind the end: there are {n_bytes} bytes")
        self._n_bytes = n_bytes

    @property
    def headers(self) -> dict[str, str]:
        """How much there is."""
        return {"Content-Range": f"bytes */{self._n_bytes}"}


def file_response(request: Request, path: Path, media_type: str) -> Response:
    """A file, or one range of its bytes; ranges that are not understood, or several, bring all of it.

    Raises:
        OutsideError: for a range that begins behind the end.
        OSError: when the file cannot be read.
    """
    status = path.stat()
    size = status.st_size
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "no-cache",
        "etag": f'"{size:x}-{status.st_mtime_ns:x}"',
        "last-modified": formatdate(status.st_mtime, usegmt=True),
    }
    wanted = _wanted(request.headers, headers, size)
    part = range(size) if wanted is None else wanted
    headers["content-length"] = str(len(part))
    if wanted is not None:
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    code = 200 if wanted is None else 206
    if request.method == "HEAD":
        return Response(None, code, headers, media_type)
    return StreamingResponse(_read(path, part), code, headers, media_type)


def _wanted(asked: Headers, told: dict[str, str], size: int) -> range | None:
    """The bytes that a request is about; None for all."""
    condition = asked.get("if-range")
    if condition is not None and condition not in (told["etag"], told["last-modified"]):
        return None
    match = _RANGE.fullmatch(asked.get("range", ""))
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:  # so many at the end
        if not int(last) or not size:
            raise OutsideError(size)
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise OutsideError(size)
    return range(int(first), min(int(last or size - 1) + 1, size))


def _read(path: Path, part: range) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(part.start)
        n_left = len(part)
        while n_left and (chunk := file.read(min(n_left, _CHUNK_BYTES))):
            n_left -= len(chunk)
            yield chunk
