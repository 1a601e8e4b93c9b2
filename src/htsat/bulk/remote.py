"""Object stores as inputs (`s3://bucket/sounds/`, `gs://...`): whatever fsspec has a driver for.

Needs fsspec, which comes with the extra `remote`, and the driver of the store. Paths without `://` never come
here. Each recording is read when its turn comes.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from htsat.audio import SUFFIXES
from htsat.errors import DataError, HtsatError, MissingExtraError, last_line

_MARK = "://"
_VERSIONS = ("ETag", "etag", "LastModified", "last_modified", "mtime", "modified", "updated", "created")
"""What drivers call that which changes with a file."""


class RemoteFile(NamedTuple):
    """A recording in a store; `changed` is what its listing says of its version."""

    name: str
    size: int
    changed: str

    def open(self) -> BinaryIO:
        """Its bytes, fetched as they are read."""
        with _telling(OSError):
            return cast("BinaryIO", _fsspec().open(self.name, "rb").open())


class Found(NamedTuple):
    """A recording, and its path below what was asked for."""

    file: RemoteFile
    below: PurePosixPath


def is_remote(argument: str) -> bool:
    """Whether an argument is an address, not a path."""
    return _MARK in argument


def files_at(address: str) -> Iterator[Found]:
    """The recordings at an address: a file, all below a folder, or what a pattern matches; sorted.

    Raises:
        DataError: when there is none, or the store does not answer.
        MissingExtraError: when fsspec is not installed.
    """
    fsspec = _fsspec()
    with _telling(DataError, address):
        store, path = fsspec.core.url_to_fs(address)
        is_pattern = glob.has_magic(address)
        details = _details(store, path, is_pattern)
    base = PurePosixPath(_fixed_part(path) if is_pattern else path)
    for found, detail in sorted(details.items(), key=lambda item: item[0].split("/")):
        below = PurePosixPath(found).relative_to(base)
        if detail.get("type") == "file" and (found == path or _is_wanted(below)):
            size, changed = int(detail.get("size") or 0), _version(detail)
            yield Found(RemoteFile(store.unstrip_protocol(found), size, changed), below)


def _details(store: Any, path: str, is_pattern: bool) -> dict[str, Mapping[str, Any]]:
    """What the store tells of each file, by path."""
    if is_pattern:
        return dict(store.glob(path, detail=True))
    if store.isdir(path):
        return dict(store.find(path, detail=True))
    return {path: store.info(path)}


def _is_wanted(path: PurePosixPath) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not is_hidden


def _version(detail: Mapping[str, Any]) -> str:
    return next((str(detail[name]) for name in _VERSIONS if detail.get(name) is not None), "")


def _fixed_part(pattern: str) -> str:
    parts = pattern.split("/")
    return "/".join(parts[: next(index for index, part in enumerate(parts) if glob.has_magic(part))])


def _fsspec() -> Any:
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise MissingExtraError("an object store", "remote") from error
    return fsspec


@contextmanager
def _telling(kind: type[Exception], about: str | None = None) -> Iterator[None]:
    """Drivers raise what they like; say it in one line."""
    try:
        yield
    except HtsatError:
        raise
    except Exception as error:
        words = getattr(error, "strerror", None) or last_line(error)
        if isinstance(error, FileNotFoundError):
            words = "No such file or directory"
        raise kind(words if about is None else f"{about}: {words}") from error
