"""Object stores as inputs (`s3://bucket/sounds/`, `gs://...`): whatever fsspec has a driver for.

Needs fsspec, which comes with the extra `remote`, and the driver of the store, which tries again where that
helps. Paths without `://` never come here. Each recording is read when its turn comes.
"""

from __future__ import annotations

import glob
import io
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from htsat.errors import DataError, HtsatError, MissingExtraError, last_line

_MARK = "://"
_VERSIONS = ("ETag", "etag", "LastModified", "last_modified", "mtime", "modified", "updated", "created")
"""What drivers call that which changes with a file."""
_FOLDERS_KEPT = 64
"""Listings of folders that are in memory, where a manifest names files."""


class RemoteFile(NamedTuple):
    """A recording, manifest or shard in a store; `changed` is what its listing says of its version."""

    name: str
    size: int
    changed: str

    def __str__(self) -> str:
        return self.name

    def open(self) -> BinaryIO:
        """Its bytes from the first to the last, fetched as the driver finds right."""
        return io.BufferedReader(self._fetched())

    def scattered(self, n_ahead_bytes: int) -> BinaryIO:
        """For small reads here and there: each fetches so many bytes more, for those that follow.

        Raises:
            OSError: when a web server cannot give what is here and there.
        """
        if _is_web(self.name):
            with self.exact() as file:
                file.seek(1)
                file.read(1)
        return io.BufferedReader(self._fetched(cache_type="readahead", block_size=n_ahead_bytes))

    def exact(self) -> io.RawIOBase:
        """For large reads: each fetches what it asks for."""
        return self._fetched(cache_type="none")

    def _fetched(self, **caching: object) -> io.RawIOBase:
        with _telling(OSError):
            store, path = _fsspec().core.url_to_fs(self.name)
            return _Fetched(store.open(path, "rb", **caching), self.name)


class _Fetched(io.RawIOBase):
    """What a driver has opened; its errors are those of a file, whatever it raises."""

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._is_web = _is_web(name)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with _telling(OSError), self._ranges():
            return int(self._file.seek(offset, whence))

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _telling(OSError), self._ranges():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()

    @contextmanager
    def _ranges(self) -> Iterator[None]:
        """The driver of the web says so in words for programmers."""
        try:
            yield
        except ValueError as error:
            if not self._is_web:
                raise
            raise OSError("the web server must know byte ranges, and does not") from error


class Found(NamedTuple):
    """A recording, and its path below what was asked for."""

    file: RemoteFile
    below: PurePosixPath


def is_remote(argument: str) -> bool:
    """Whether an argument is an address, not a path."""
    return _MARK in argument


def _is_web(address: str) -> bool:
    return address.partition(_MARK)[0] in ("http", "https")


def files_at(address: str, suffixes: Collection[str]) -> Iterator[Found]:
    """What is at an address: a file, or what has a suffix below a folder or among what a pattern matches.

    It comes sorted.

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
        if detail.get("type") == "file" and (found == path or _is_wanted(below, suffixes)):
            size, changed = int(detail.get("size") or 0), _version(detail)
            yield Found(RemoteFile(store.unstrip_protocol(found), size, changed), below)


def _details(store: Any, path: str, is_pattern: bool) -> dict[str, Mapping[str, Any]]:
    """What the store tells of each file, by path."""
    if is_pattern:
        return dict(store.glob(path, detail=True))
    if store.isdir(path):
        return dict(store.find(path, detail=True))
    return {path: store.info(path)}


class Neighbours:
    """Files in the store of another one, which names them by their paths from its folder, or by addresses."""

    def __init__(self, file: RemoteFile) -> None:
        with _telling(DataError, file.name):
            self._store, path = _fsspec().core.url_to_fs(file.name)
        self._file, self._folder = file, path.rpartition("/")[0]
        self._listed = lru_cache(_FOLDERS_KEPT)(self._in_folder)

    def at(self, name: str) -> RemoteFile:
        """A file; one that is not there has no size.

        Raises:
            DataError: when the name leads elsewhere, or the store does not answer.
        """
        with _telling(DataError, name):
            path = self._path(name)
            state = self._listed(path.rpartition("/")[0]).get(path) or self._asked(path)
            return RemoteFile(self._store.unstrip_protocol(path), *state)

    def _path(self, name: str) -> str:
        if is_remote(name) and name.partition(_MARK)[0] == self._file.name.partition(_MARK)[0]:
            return str(self._store._strip_protocol(name))
        path = PurePosixPath(name)
        if is_remote(name) or path.is_absolute() or ".." in path.parts:
            raise DataError(f"{self._file}: names {name}, which is not in the same store")
        return f"{self._folder}/{path}"

    def _in_folder(self, folder: str) -> dict[str, tuple[int, str]]:
        """Sizes and versions by path, as far as a listing tells them; the others are asked for one by one."""
        try:
            details = self._store.ls(folder, detail=True)
        except (FileNotFoundError, NotImplementedError):  # not all stores have folders
            return {}
        return {d["name"]: (int(d["size"]), _version(d)) for d in details if d.get("size") is not None}

    def _asked(self, path: str) -> tuple[int, str]:
        try:
            detail = self._store.info(path)
        except FileNotFoundError:
            return 0, ""
        return int(detail.get("size") or 0), _version(detail)


def _is_wanted(path: PurePosixPath, suffixes: Collection[str]) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in suffixes and not is_hidden


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
    except Exception as error:  # of any driver
        words = getattr(error, "strerror", None) or last_line(error)
        if isinstance(error, FileNotFoundError):
            words = "No such file or directory"
        raise kind(words if about is None else f"{about}: {words}") from error
