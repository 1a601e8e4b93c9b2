"""From the body of a request to a file that lasts as long as somebody listens to it.

A body is written to disk as it comes, with about a MiB in memory; the file is deleted whatever happens.
"""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from anyio import fail_after, to_thread
from starlette.requests import ClientDisconnect, Request

from htsat.files import temporary_folder
from htsat.web.multipart import FormFile
from htsat.web.problems import (
    BadRequestError,
    DisconnectedError,
    SlowUploadError,
    StorageFullError,
    TooLargeError,
    UnsupportedError,
)
from htsat.web.settings import ServiceSettings

_WRITTEN_AT_ONCE = 2**20
_LONGEST_NAME = 255
_NO_RECORDINGS = ("application/json", "text/html", "multipart/mixed")


class Upload(NamedTuple):
    """A recording that was received, and what its sender calls it."""

    path: Path
    name: str


class Inbox:
    """A folder for recordings while they are heard; a context manager that deletes it."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._resources = ExitStack()
        self._folder = Path()

    def __enter__(self) -> Self:
        folder = temporary_folder(Path(tempfile.gettempdir()), "htsat-serve-")
        self._folder = self._resources.enter_context(folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._resources.close()

    @asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[Upload]:
        """The recording in the body of a request: the body itself, or the field `file` of a form.

        Raises:
            BadRequestError: when there is none.
            TooLargeError: when the body is too large, before it is read where its length is stated.
            UnsupportedError: when the body says that it is no recording.
            SlowUploadError: when its rest does not come.
            DisconnectedError: when the client has gone.
            StorageFullError: when there is no room for it.
        """
        form = _form(request)
        path = self._folder / secrets.token_hex(8)
        try:
            await _write(request, path, form, self._settings)
            yield Upload(path, _one_line(form.name if form else request.query_params.get("name")))
        finally:
            path.unlink(missing_ok=True)


def _form(request: Request) -> FormFile | None:
    """What takes a form apart; None where the body is the recording."""
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise UnsupportedError(f"Content-Encoding: {encoding} is not read; send the file as it is")
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return FormFile(content_type)
    if kind in _NO_RECORDINGS:
        raise UnsupportedError(f"expected a recording or multipart/form-data, got {kind}")
    return None


async def _write(request: Request, path: Path, form: FormFile | None, settings: ServiceSettings) -> None:
    waiting = bytearray()
    with _writing(), path.open("wb") as file:
        async for body in limited_body(request, settings):
            waiting += form.take(body) if form else body
            if len(waiting) >= _WRITTEN_AT_ONCE:
                await _append(file, waiting)
        if form:
            form.finish()
        await _append(file, waiting)
    if not path.stat().st_size:
        raise BadRequestError("expected a recording in the body, which is empty")


async def _append(file: IO[bytes], waiting: bytearray) -> None:
    await to_thread.run_sync(file.write, bytes(waiting))
    waiting.clear()


async def limited_body(request: Request, settings: ServiceSettings) -> AsyncIterator[bytes]:
    """The body as it comes; errors as of `Inbox.received`."""
    _refuse_stated_length(request, settings.max_upload_bytes)
    body = request.stream().__aiter__()
    n_bytes = 0
    while True:
        try:
            with fail_after(settings.idle_s):
                piece = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise SlowUploadError(f"nothing more of the body came for {settings.idle_s:g} s") from None
        except ClientDisconnect:
            raise DisconnectedError("the client has gone before the body was complete") from None
        n_bytes += len(piece)
        _refuse_size(n_bytes, settings.max_upload_bytes)
        yield piece


def _refuse_stated_length(request: Request, max_bytes: int) -> None:
    stated = request.headers.get("content-length", "")
    if stated.isdecimal():
        _refuse_size(int(stated), max_bytes)


def _refuse_size(n_bytes: int, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise TooLargeError(f"the body is larger than {max_bytes} bytes, the largest that is read here")


def _one_line(name: str | None) -> str:
    """A name for results and messages."""
    printable = "".join(character if character.isprintable() else " " for character in name or "")
    return " ".join(printable.split())[:_LONGEST_NAME] or "upload"


@contextmanager
def _writing() -> Iterator[None]:
    """A full disk is nobody's bug."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFullError(f"no room for the recording ({os.strerror(error.errno)})") from error
