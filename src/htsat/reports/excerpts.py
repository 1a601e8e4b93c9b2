"""Stretches of a recording as it is: its own sample rate and all its channels, without decoding the rest.

C channels, L samples of each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from htsat.audio.stream import about
from htsat.pictures.lanes import Span
from htsat.reports.channels import Block, ChannelSource, open_channels
from htsat.scores import FloatArray

_FAR_FRAMES = 262_144
"""Nearer stretches are reached by decoding on: a jump costs about as much."""


class Excerpt(NamedTuple):
    """Shape: `samples` `(L, C)`. `n_bits` are those that keep what the recording holds: 16 or 24."""

    span: Span
    samples: FloatArray
    sample_rate: int
    n_bits: int


@dataclass
class _Piece:
    """A stretch in frames, and what has been read of it."""

    span: Span
    first: int
    stop: int
    parts: list[FloatArray] = field(default_factory=list)

    def take(self, block: Block) -> None:
        """Keep what lies in the stretch."""
        part = block.samples[max(0, self.first - block.first) : max(0, self.stop - block.first)]
        if len(part):
            self.parts.append(part.copy())


def excerpts(path: Path, spans: Sequence[Span]) -> Iterator[Excerpt]:
    """Stretches of a recording in the order in which they end; the last ones may end with the recording.

    Those that begin after its end are left out. In memory is what overlaps at one time.

    Raises:
        AudioError: one line with the name, when the recording cannot be read.
    """
    with ExitStack() as resources, about(str(path)):
        source = open_channels(path, resources)
        for piece in _cut(source, _pieces(spans, source.sample_rate)):
            yield Excerpt(piece.span, np.concatenate(piece.parts), source.sample_rate, source.n_bits)


def _pieces(spans: Sequence[Span], sample_rate: int) -> deque[_Piece]:
    pieces = (
        _Piece(span, round(span.start_s * sample_rate), round(span.stop_s * sample_rate)) for span in spans
    )
    return deque(sorted(pieces, key=lambda piece: piece.first))


def _cut(source: ChannelSource, waiting: deque[_Piece]) -> Iterator[_Piece]:
    """The pieces when they are complete, and at the end what there is of the others."""
    opened: list[_Piece] = []
    blocks = _from(source, waiting)
    while (opened or waiting) and (block := next(blocks, None)) is not None:
        stop = block.first + len(block.samples)
        while waiting and waiting[0].first < stop:
            opened.append(waiting.popleft())
        for piece in opened:
            piece.take(block)
        yield from (piece for piece in opened if piece.stop <= stop and piece.parts)
        opened = [piece for piece in opened if piece.stop > stop]
        if not opened and waiting and source.can_jump and waiting[0].first > stop + _FAR_FRAMES:
            blocks = _from(source, waiting)
    yield from (piece for piece in opened if piece.parts)


def _from(source: ChannelSource, waiting: deque[_Piece]) -> Iterator[Block]:
    return source.blocks(waiting[0].first if waiting else 0)
