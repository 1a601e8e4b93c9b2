"""Stretches of a recording and circular shifts of it, block by block: memory does not grow with its length.

Blocks are mono samples `(n,)` of any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from htsat.scores import FloatArray

_STEP_SAMPLES = 100


def shift_samples(n_passes: int) -> tuple[int, ...]:
    """By how many samples each test-time pass is shifted: 0, 100, 300, 600, ... (official behaviour 10)."""
    return tuple(_STEP_SAMPLES * i * (i + 1) // 2 for i in range(n_passes))


def stretch(blocks: Iterable[FloatArray], start: int, stop: int | None) -> Iterator[FloatArray]:
    """The samples from `start` to before `stop`, or to the end; nothing is read behind them."""
    position = 0
    for block in blocks:
        part = block[max(0, start - position) : None if stop is None else max(0, stop - position)]
        position += len(block)
        if len(part):
            yield part
        if stop is not None and position >= stop:
            return


def shifted(blocks: Iterable[FloatArray], n_samples: int) -> Iterator[FloatArray]:
    """The same samples in a circle, begun `n_samples` later: those skipped come at the end."""
    skipped: list[FloatArray] = []
    n_missing = n_samples
    for block in blocks:
        head, rest = block[:n_missing], block[n_missing:]
        n_missing -= len(head)
        if len(head):
            # A copy, because the source may use the block's memory again.
            skipped.append(head.copy())
        if len(rest):
            yield rest
    if skipped:
        # A recording shorter than the shift was skipped as a whole, and is turned more than once.
        yield np.roll(np.concatenate(skipped), -n_samples)
