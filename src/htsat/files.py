"""Files that are either whole or not there, and their digests."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from htsat.errors import HtsatError

LOCK_NAME = ".htsat-lock"
"""What holds the lock of a folder, while somebody writes to it."""
_LONGEST_NAME = 200
"""Bytes of a name to which more can be added: file systems take 255."""
_DAY_S = 86_400
_DISK_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS))
"""How writing into an open file fails; the system does not say which file it was."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; what was written there takes its place when the block ends well.

    After an exception nothing of it remains and the old file is untouched. What a killed process has left,
    `.NAME.htsat-01.SUFFIX`, goes when the same file is written again. A link is followed.

    Raises:
        HtsatError: when `path` is a folder or a device.
        OSError: naming `path`, when it cannot be written.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise HtsatError(f"{path} is not a file that can be replaced")
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = _begin(path)
        try:
            mode = os.fstat(descriptor).st_mode
            if os.name == "nt":  # files that are open cannot be renamed there
                os.close(descriptor)
            yield temporary
            _sync(temporary)
            temporary.chmod(mode)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            if os.name != "nt":
                os.close(descriptor)


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder that is gone at the end; those of the same prefix that killed processes have left go now."""
    for left_over in parent.glob(f"{glob.escape(prefix)}*"):
        _is_removed(left_over, shutil.rmtree)
    with ExitStack() as resources:
        is_ours = False
        while not is_ours:
            folder = tempfile.TemporaryDirectory(dir=parent, prefix=prefix, ignore_cleanup_errors=True)
            path = Path(resources.enter_context(folder))
            is_ours = os.name == "nt" or _is_held(path, resources)
        yield path


@contextmanager
def sole_writer(lock: Path, folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a folder while the block runs, where the system has locks.

    Raises:
        HtsatError: when another one does.
    """
    with _naming(lock), ExitStack() as resources:
        lock.parent.mkdir(parents=True, exist_ok=True)
        is_ours = False
        while not is_ours:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
            resources.callback(os.close, descriptor)
            try:
                _lock(descriptor)
            except BlockingIOError:
                raise HtsatError(f"{folder}: another process writes to it; wait, or choose another") from None
            is_ours = _is_at(lock, descriptor)
        _keep_to_this_process(descriptor, resources)
        try:
            yield
        finally:
            with suppress(OSError):
                lock.unlink()


@contextmanager
def text_path(path: Path) -> Iterator[Path]:
    """A name in UTF-8 of a file that is there, for libraries that take no other names."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:  # such names are known on Linux only
        with path.open("rb") as file:
            yield Path(f"/proc/self/fd/{file.fileno()}")
    else:
        yield path


def write_text(path: Path, text: str) -> None:
    """Write a text, which may name files whose names are no text."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def sha256(path: Path) -> str:
    """Digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes have left of files that they were writing into a folder."""
    for unfinished in folder.glob(".*.htsat-*"):
        _is_removed(unfinished)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder outlast a power cut, where the system can.

    Raises:
        OSError: naming the folder.
    """
    if os.name == "posix":
        with _naming(folder):
            _sync(folder)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Call the file that cannot be written by its own name."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            is_of_path = error.errno in _DISK_ERRORS
        else:
            name = Path(os.fsdecode(error.filename))
            is_of_path = name.parent == path.parent and name.name.startswith(_beginning(path))
        if not is_of_path or error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _beginning(path: Path) -> str:
    """How temporary names begin."""
    name = path.name
    encoded = os.fsencode(name + path.suffix)
    if len(encoded) > _LONGEST_NAME:
        name = hashlib.sha256(encoded).hexdigest()[:16]
    return f".{name}.htsat-"


def _begin(path: Path) -> tuple[Path, int]:
    """A new file beside `path` and its descriptor, which is locked: its writer lives."""
    number = 1
    while (descriptor := _created(_temporary(path, number))) is None:
        if not _is_removed(_temporary(path, number)):
            number += 1
    later = number + 1
    while _is_removed(_temporary(path, later)):
        later += 1
    return _temporary(path, number), descriptor


def _temporary(path: Path, number: int) -> Path:
    return path.with_name(f"{_beginning(path)}{number:02}{path.suffix}")


def _created(temporary: Path) -> int | None:
    """The descriptor of a new file; None when there is one already."""
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return None
    with suppress(BlockingIOError):
        _lock(descriptor)
        if _is_at(temporary, descriptor):
            return descriptor
    os.close(descriptor)  # it was taken for left over before it was locked
    return None


def _is_held(folder: Path, resources: ExitStack) -> bool:
    """Whether a new folder is ours until the end of `resources`; somebody may have taken it for left over."""
    with suppress(BlockingIOError, FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
        resources.callback(os.close, descriptor)
        _lock(descriptor)
        return _is_at(folder, descriptor)
    return False


def _is_removed(path: Path, remove: Callable[[Path], object] = Path.unlink) -> bool:
    """Whether there was something whose maker is dead; it is gone now. Without locks nobody knows."""
    try:
        if os.name == "nt":
            is_dead = time.time() - path.stat().st_mtime > _DAY_S
            if is_dead:
                remove(path)
            return is_dead
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        is_dead = _lock(descriptor) and _is_at(path, descriptor)
        if is_dead:
            remove(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return is_dead


def _lock(descriptor: int) -> bool:
    """Lock a file while it is open; False where there are no such locks.

    Raises:
        BlockingIOError: when somebody else has locked it.
    """
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except (ModuleNotFoundError, OSError):  # Windows, and some file systems
        return False
    return True


_own: set[int] = set()
"""Descriptors of locks that processes forked off from this one let go of."""


def _keep_to_this_process(descriptor: int, resources: ExitStack) -> None:
    """Else any process that was forked off holds a lock as long as it lives, though its owner was killed."""
    _own.add(descriptor)
    resources.callback(_own.discard, descriptor)
    if os.name == "posix":
        _let_go_in_forks()


@cache
def _let_go_in_forks() -> None:
    os.register_at_fork(after_in_child=_let_go)


def _let_go() -> None:
    while _own:
        os.close(_own.pop())


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
