"""Joins a Ray cluster, or starts one here, without reports to anybody and without a word on the terminal."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from htsat.bulk.ray.workers import Needs
from htsat.errors import ConfigError, HtsatError, MissingExtraError, last_line

ADDRESS = "RAY_ADDRESS"
_HERE = "local"
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
_STANDARD_ERROR = 2
_TERMINAL = "console"
"""What Ray Data calls its handler that writes there; those of others are not ours to silence."""
_STORE_BYTES = 100 * 2**20
"""Memory for what is on its way between processes of a cluster on this machine, beside that of lanes."""
_LANE_STORE_BYTES = 32 * 2**20
_MOST_PER_CORE = 16
"""Processors that a cluster on this machine promises for each that there is: processes take memory, too."""
_LONGEST_SILENCE_S = 10.0
"""How long an address may take to answer. Ray would ask there for many minutes, without a word."""


@contextmanager
def cluster_for(needs: Needs, n_workers: int | None) -> Iterator[int]:
    """Join the cluster that `RAY_ADDRESS` names, or start one here; gives the number of workers.

    Without a number, as many as there is room for. A cluster that this process has joined before is taken,
    and not left.

    Raises:
        ConfigError: when the cluster has no room for the workers, or the address is none.
        HtsatError: when no cluster answers.
        MissingExtraError: when Ray is not installed.
    """
    ray = _ray()
    if ray.is_initialized():
        yield _n_workers(needs, n_workers, ray.cluster_resources())
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _join(ray, _place(needs, n_workers), handler)
        yield _n_workers(needs, n_workers, ray.cluster_resources())
    finally:
        ray.shutdown()
        _give_back(handler)


def _ray() -> Any:
    """The package, which is silent, and reports to nobody."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MissingExtraError("--engine-cluster ray", "ray") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    for handler in logging.getLogger("ray.data").handlers:
        if handler.name == _TERMINAL:
            handler.setLevel(logging.CRITICAL)
    return ray


def _join(ray: Any, place: dict[str, Any], handler: Any) -> None:
    try:
        with _unheard_by_terminal():
            ray.init(**place, log_to_driver=False, logging_level=logging.CRITICAL)
    except ConnectionError as error:
        raise _unanswered(last_line(error)) from error
    except ValueError as error:
        raise HtsatError(f"Ray cannot begin: {last_line(error)}") from error
    except SystemExit:
        # Ray's handler came before ours could take its place again.
        _give_back(handler)
        signal.raise_signal(signal.SIGTERM)
        raise
    _give_back(handler)


@contextmanager
def _unheard_by_terminal() -> Iterator[None]:
    """Let nothing reach standard error: Ray's libraries write there that they were told to be silent."""
    before, nowhere = os.dup(_STANDARD_ERROR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STANDARD_ERROR)
    try:
        yield
    finally:
        os.dup2(before, _STANDARD_ERROR)
        os.close(before)
        os.close(nowhere)


def _place(needs: Needs, wanted: int | None) -> dict[str, Any]:
    """Where the cluster is: at an address, or here, with processors enough for the workers asked for."""
    address = os.environ.get(ADDRESS) or _HERE
    if address != _HERE:
        _check_answers(address)
        return {"address": address}
    n_cores = os.cpu_count() or 1
    n_workers = wanted or max(1, n_cores // needs.n_processors_in_all)
    room = n_cores * _MOST_PER_CORE // needs.n_processors_in_all
    if n_workers > room:
        raise _no_room(f"this machine has {n_cores} processors", room, needs)
    return {
        "address": _HERE,
        "include_dashboard": False,
        "num_cpus": max(n_cores, n_workers * needs.n_processors_in_all),
        "object_store_memory": _STORE_BYTES + n_workers * needs.n_lanes * _LANE_STORE_BYTES,
    }


def _check_answers(address: str) -> None:
    """Refuse an address where nobody is, or that is none; Ray finds by itself what is on this machine."""
    if address == "auto":
        return
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        place = (parts.hostname, parts.port)
    except ValueError:
        place = (None, None)
    if None in place:
        raise ConfigError(f"{ADDRESS} must be HOST:PORT, ray://HOST:PORT, auto or local, got {address!r:.80}")
    try:
        socket.create_connection(place, timeout=_LONGEST_SILENCE_S).close()
    except OSError as error:
        raise _unanswered(error.strerror or str(error)) from error


def _unanswered(reason: str) -> HtsatError:
    return HtsatError(f"{ADDRESS}={os.environ.get(ADDRESS)}: no Ray cluster answers ({reason})")


def _n_workers(needs: Needs, wanted: int | None, resources: dict[str, float]) -> int:
    """How many workers there will be: those that were wanted, if there is room."""
    n_processors, n_gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    room = n_processors // needs.n_processors_in_all
    if needs.n_gpus:
        room = min(room, n_gpus // needs.n_gpus)
    if (wanted or 1) <= room:
        return wanted or room
    raise _no_room(f"the cluster has {n_processors} processors and {n_gpus} GPUs", room, needs)


def _no_room(has: str, room: int, needs: Needs) -> ConfigError:
    gpu = ", a GPU" if needs.n_gpus else ""
    return ConfigError(
        f"{has}, room for {room} workers: each takes {needs.n_processors} for the network, "
        f"{needs.n_lanes} that decode{gpu}"
    )


def _give_back(handler: Any) -> None:
    """Let SIGTERM do again what it did before Ray came."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
