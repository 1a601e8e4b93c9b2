"""Who works on an output: nobody else may, or those who have other shares of it.

The operating system lets a lock go when its process ends, however that happens, so that none is ever stale;
what stands in the file is for people. Where the file system knows no locks nobody is refused, which costs
work that is done twice, and nothing else: every unit is written apart and renamed.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from htsat.bulk.sharding import Shard
from htsat.errors import HtsatError

_FILE = "lock"


class BusyError(HtsatError):
    """Another process works on this output."""


@contextmanager
def working_on(folder: Path, output: str, shard: Shard) -> Iterator[None]:
    """Hold a share of an output while the block runs; `folder` is there.

    Raises:
        BusyError: naming who holds it.
    """
    with ExitStack() as locks:
        alone = shard.n == 1
        _lock(folder / _FILE, output, locks, is_shared=not alone)
        if not alone:
            _lock(folder / f"{_FILE}-{shard.index + 1}-of-{shard.n}", output, locks, is_shared=False)
        yield


def _lock(path: Path, output: str, locks: ExitStack, *, is_shared: bool) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    locks.callback(os.close, descriptor)
    if not _has_locked(descriptor, is_shared):
        raise BusyError(f"{output}: {_holder(path)} works on it; wait for its end, or take another output")
    about = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(about).encode())
    except OSError as error:  # the system does not say of which file
        raise OSError(error.errno, error.strerror, str(path)) from error


def _has_locked(descriptor: int, is_shared: bool) -> bool:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno != errno.EWOULDBLOCK
    return True


def _holder(path: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        about = json.loads(path.read_text())
        minutes = max(0, time.time() - about["since"]) / 60
        return f"process {about['pid']} on {about['host']} (for {minutes:.0f} min)"
    return "another process"
