"""How the C library hands out memory while a network learns on processors."""

from __future__ import annotations

import ctypes
import sys

# Numbers of the settings in glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST = 2**31 - 1
_PAD_BYTES = 256 * 2**20


def keep_freed_memory() -> None:
    """Let glibc keep large blocks that are freed, as every step takes the same ones again.

    By default it returns each to the system and gets it back page by page, filled with zeros: a third of a
    step (docs/performance.md). Where there is another C library, or another allocator, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return
    for setting, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, _PAD_BYTES)):
        mallopt(setting, value)
