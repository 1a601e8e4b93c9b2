"""What every decoder offers: a file as mono blocks at the file's own sample rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from htsat.errors import AudioError
from htsat.scores import FloatArray


@dataclass(frozen=True)
class DecodedAudio:
    """A file that is being decoded.

    `blocks` yields mono float32 samples `(L,)` of any length at `sample_rate`, once;
    `duration_s` is what the header says, None where it does not.
    """

    sample_rate: int
    duration_s: float | None
    blocks: Iterator[FloatArray]


class UndecodableError(AudioError):
    """A decoder gives up: before the first block another one may do better, later the rest is lost."""
