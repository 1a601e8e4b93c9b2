"""Keeps the stack on which a thread handles signals as it was.

OpenVINO gives the thread that compiles a model a stack of its own for signal handlers, and takes it away
with the model. Where there are several models, what is left may be a stack that is gone: the next Ctrl-C, or
the end of a process that torch watches, then ends the program with a segmentation fault.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Restore the stack for signal handlers of this thread at the end; only Linux needs it."""
    if sys.platform != "linux":
        yield
        return
    library, before = ctypes.CDLL(None), _Stack()
    library.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(before), None)
