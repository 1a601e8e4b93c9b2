"""Long recordings with strong labels, cut into pieces that a loader can draw from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from htsat.data.clip import Clip
from htsat.data.events import EventFiles
from htsat.data.stores import SoundReader
from htsat.errors import AudioError


def cut_long(clips: Sequence[Clip], reader: SoundReader, hop_s: float, piece_s: float) -> list[Clip]:
    """Replace clips with strong labels that are longer than `piece_s` by pieces of that length.

    A piece begins every `hop_s`, the last one ends where the clip ends. The labels of a piece are the classes
    of its own events. Clips whose length cannot be read stay: they are named when they are heard.

    Raises:
        DataError: when strong labels cannot be read.
    """
    events = EventFiles(clips)
    pieces: list[Clip] = []
    for clip in clips:
        length_s = None if clip.events is None else _length_s(clip, reader)
        if length_s is None or length_s <= piece_s:
            pieces.append(clip)
        else:
            pieces += (_labelled(piece, events) for piece in _pieces(clip, length_s, hop_s, piece_s))
    return pieces


def _length_s(clip: Clip, reader: SoundReader) -> float | None:
    try:
        return reader.n_samples(clip) / reader.sample_rate
    except AudioError:
        return None


def _pieces(clip: Clip, length_s: float, hop_s: float, piece_s: float) -> Iterator[Clip]:
    start_s = 0.0
    while start_s + piece_s < length_s:
        yield dataclasses.replace(clip, start_s=clip.start_s + start_s, duration_s=piece_s)
        start_s += hop_s
    last_s = clip.start_s + length_s - piece_s
    yield dataclasses.replace(clip, start_s=last_s, duration_s=piece_s)


def _labelled(piece: Clip, events: EventFiles) -> Clip:
    heard = {event.label for event in events.of(piece)}
    return dataclasses.replace(piece, labels=tuple(sorted(heard)))
