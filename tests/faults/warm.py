"""A process that has everything imported, and a child of it for each order: so no command costs a start.

It reads orders as JSON lines and answers each with one. A child watches a folder with the library of
`shim.c`, which counts, kills, fills the disk, fails or turns the clock at a given call.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import traceback
from typing import Any

_LONGEST_S = 300


def main() -> None:
    """Answer orders until there are no more."""
    setup = json.loads(sys.stdin.readline())
    library = ctypes.CDLL(setup["library"])
    library.shim_watch.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_long, ctypes.c_long, ctypes.c_int]
    _warm_up(setup["network"], setup["tests"])
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line), library)), flush=True)


def _warm_up(network: dict[str, Any], tests: str) -> None:
    import torch
    from jsonargparse import ArgumentParser  # noqa: F401
    from lightning.fabric import Fabric  # noqa: F401
    from matplotlib import font_manager  # noqa: F401
    from matplotlib.backends import backend_agg  # noqa: F401
    from pyarrow import parquet  # noqa: F401

    import htsat
    from htsat.cli.main import COMMANDS
    from htsat.network import ModelConfig

    torch.set_num_threads(1)
    sys.path.insert(0, tests)
    for package in ("web", "training", "evaluation", "reports", "pictures", "export", "data", "checkpoints"):
        of_package = importlib.import_module(f"htsat.{package}")
        for module in pkgutil.walk_packages(of_package.__path__, f"htsat.{package}."):
            importlib.import_module(module.name)
    for command in COMMANDS:
        importlib.import_module(f"htsat.cli.{command.replace('-', '_')}")
    import work  # noqa: F401

    small = ModelConfig(**network)
    ModelConfig.named = lambda name, **changes: dataclasses.replace(small, **changes)  # type: ignore[method-assign, assignment]
    assert htsat.__version__
    gc.freeze()


def _answer(order: dict[str, Any], library: Any) -> dict[str, Any]:
    child = os.fork()
    if not child:
        try:
            _work(order, library)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    return {"code": os.waitstatus_to_exitcode(status)}


def _work(order: dict[str, Any], library: Any) -> None:
    signal.alarm(_LONGEST_S)
    trace = _open(order["trace"])
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(_open(order[name]), number)
    os.chdir(order["cwd"])
    os.environ |= order["environ"]
    import work

    code = 99
    watched = os.fsencode(order["folder"])
    if library.shim_watch(watched, order["kind"], order["number"], order["jump_s"], trace):
        raise SystemExit("this system has no seccomp filters")
    try:
        code = getattr(work, order["work"])(*order["arguments"])
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


if __name__ == "__main__":
    main()
