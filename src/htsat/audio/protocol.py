"""What every decoder offers: a file as mono blocks at the file's own sample rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from htsat.errors import AudioError
from htsat.scores import FloatArray

Encoded = Path | BytesIO
"""A file, or the bytes of one in memory; their attribute `name`, where they have it, stands in messages."""


@runtime_checkable
class Opener(Protocol):
    """A recording that is no file of its own, as in a tar shard; it is opened when its turn comes."""

    @property
    def name(self) -> str:
        """How messages and results name it."""

    def open(self) -> BinaryIO:
        """Its bytes from the first on; who asks closes them. Raises OSError or AudioError."""


@dataclass(frozen=True)
class DecodedAudio:
    """A file that is being decoded.

    `blocks` yields mono float32 samples `(L,)` of any length at `sample_rate`, once;
    `duration_s` is what the header says, None where it does not. `n_frames` is the number of samples per
    channel (where the codec pads, about that), None where nobody counted them. `blocks_from(frame)`, in
    place of `blocks`, begins at a frame before the end without decoding what lies before; None where that is
    not possible.
    """

    sample_rate: int
    duration_s: float | None
    blocks: Iterator[FloatArray]
    n_frames: int | None = None
    blocks_from: Callable[[int], Iterator[FloatArray]] | None = None


class UndecodableError(AudioError):
    """A decoder gives up: before the first block another one may do better, later the rest is lost."""
