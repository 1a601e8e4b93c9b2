"""Many recordings in few tar shards with one index, which is a manifest of them.

Clips are decoded, cut to their stretch, encoded anew and written in the order of the manifest. A shard takes
its name when it is whole; killed at any moment, the same packing goes on behind the last whole shard and ends
with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from pathlib import Path
from threading import local
from typing import NamedTuple

from htsat.data.clip import Clip, Member
from htsat.data.encoding import Format, encode, rate_for
from htsat.data.events import EventFiles, file_name, write_events
from htsat.data.manifest import INDEX_NAME, Manifest, write_manifest
from htsat.data.packing_state import (
    BROKEN_NAME,
    BrokenClip,
    Packed,
    PackedClip,
    PackingState,
    ShardNote,
)
from htsat.data.shards import Files, ShardWriter
from htsat.data.stores import SoundReader
from htsat.errors import AudioError, ConfigError, DataError
from htsat.files import LOCK_NAME, atomic_path, sole_writer

_BYTES_PER_MB = 1_000_000
_AHEAD = 4
"""Clips that each thread may be ahead of what is written."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How clips are stored.

    Raises:
        ConfigError: when the format has no such sample rate, or the size is not positive.
    """

    format: Format = "flac"
    sample_rate: int | None = None
    """None: 32 kHz, 48 kHz for Opus."""
    shard_mb: float = 1000.0
    """No shard becomes larger, unless one clip alone is."""

    def __post_init__(self) -> None:
        rate_for(self.format, self.sample_rate)
        if not self.shard_mb > 0:
            raise ConfigError(f"shards must be larger than 0 MB, got {self.shard_mb:g}")

    @property
    def rate_hz(self) -> int:
        """The sample rate of the shards."""
        return rate_for(self.format, self.sample_rate)


class _EncodedClip(NamedTuple):
    number: int
    files: Files
    n_samples: int


_Outcomes = Iterator[_EncodedClip | BrokenClip]


def pack(
    manifest: Manifest,
    folder: Path,
    packing: Packing,
    n_jobs: int = 1,
    on_clips: Callable[[int], object] = lambda n: None,
) -> Packed:
    """Pack all clips that can be read; goes on where the same packing was interrupted.

    In the end `index.parquet` lists the clips as a manifest, `labels.txt` the classes, and `broken.tsv` what
    could not be read.

    Args:
        manifest: what to pack.
        folder: where the shards go: a new or empty one, or one with the same packing.
        packing: how.
        n_jobs: threads that decode and encode; the bytes do not depend on it.
        on_clips: is told whenever so many more clips are done.

    Raises:
        DataError: when the folder holds something else, or no clip can be read.
    """
    with sole_writer(folder / LOCK_NAME, folder):
        return _pack(manifest, PackingState(folder, _settings(manifest, packing)), packing, n_jobs, on_clips)


def _pack(
    manifest: Manifest,
    state: PackingState,
    packing: Packing,
    n_jobs: int,
    on_clips: Callable[[int], object],
) -> Packed:
    events = EventFiles(manifest.clips)
    done = state.result()
    if done is not None:
        on_clips(len(manifest.clips))
        return done
    notes = list(state.notes())
    n_done = notes[-1].stop if notes else 0
    on_clips(n_done)
    outcomes = _counted(_Encoder(manifest, packing, events).outcomes(n_done, n_jobs), on_clips)
    try:
        notes += _write_shards(state, outcomes, packing, len(notes))
        _Index(manifest, events, packing.rate_hz).write(state, notes)
    except OSError as error:
        raise DataError(f"{state.folder}: {error.strerror}; the same command goes on from here") from error
    return state.finish(notes)


def _settings(manifest: Manifest, packing: Packing) -> dict[str, object]:
    clips = hashlib.sha256(json.dumps(manifest.labels.names).encode())
    for clip in manifest.clips:
        values = [clip.title, clip.labels, clip.start_s, clip.duration_s, clip.fold, clip.group, clip.weight]
        clips.update(json.dumps([*values, str(clip.events)]).encode())
    return {
        "format": packing.format,
        "sample_rate": packing.rate_hz,
        "shard_mb": packing.shard_mb,
        "clips": f"{len(manifest.clips)} (SHA-256 {clips.hexdigest()[:16]})",
    }


class _Encoder:
    """Turns the clips of a manifest into the files of samples."""

    def __init__(self, manifest: Manifest, packing: Packing, events: EventFiles) -> None:
        self._clips = manifest.clips
        self._packing = packing
        self._events = events
        self._own = local()

    def outcomes(self, start: int, n_jobs: int) -> _Outcomes:
        """The clips from `start` on in their order, encoded by several threads."""
        numbers = iter(range(start, len(self._clips)))
        with ThreadPoolExecutor(n_jobs) as pool:
            waiting = deque(pool.submit(self._outcome, number) for number in islice(numbers, n_jobs * _AHEAD))
            while waiting:
                outcome = waiting.popleft().result()
                waiting.extend(pool.submit(self._outcome, number) for number in islice(numbers, 1))
                yield outcome

    def _outcome(self, number: int) -> _EncodedClip | BrokenClip:
        if not hasattr(self._own, "reader"):
            self._own.reader = SoundReader(self._packing.rate_hz)
        clip, rate, suffix = self._clips[number], self._packing.rate_hz, self._packing.format
        try:
            waveform = self._own.reader.read(clip)
        except AudioError as error:
            return BrokenClip(number, str(error))
        facts = json.dumps(self._facts(clip, len(waveform) / rate)).encode()
        files = {suffix: encode(waveform, rate, suffix), "json": facts}
        return _EncodedClip(number, files, len(waveform))

    def _facts(self, clip: Clip, duration_s: float) -> dict[str, object]:
        """What stands beside a recording for those who read the shards without the index."""
        facts = {
            "labels": clip.labels,
            "source": file_name(clip),
            "start": clip.start_s,
            "duration": duration_s,
            "fold": clip.fold,
            "group": clip.group,
            "weight": clip.weight,
        }
        if clip.events is None:
            return facts
        events = [(event.onset_s, event.offset_s, event.label) for event in self._events.of(clip)]
        return facts | {"events": events}


def _counted(outcomes: _Outcomes, on_clips: Callable[[int], object]) -> _Outcomes:
    for outcome in outcomes:
        yield outcome
        on_clips(1)


def _write_shards(
    state: PackingState, outcomes: _Outcomes, packing: Packing, first: int
) -> Iterator[ShardNote]:
    waiting = next(outcomes, None)
    for number in count(first):
        if waiting is None:
            return
        note, waiting = _write_shard(state.shard_path(number), chain([waiting], outcomes), packing)
        state.add_note(number, note)
        yield note


def _write_shard(path: Path, outcomes: _Outcomes, packing: Packing) -> tuple[ShardNote, _EncodedClip | None]:
    """Fill a shard; returns the first clip that found no place in it, too."""
    packed: list[PackedClip] = []
    broken: list[BrokenClip] = []
    stop, waiting = 0, None
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        shard = ShardWriter(file)
        for outcome in outcomes:
            stop = outcome.number + 1
            if isinstance(outcome, BrokenClip):
                broken.append(outcome)
            elif packed and shard.n_bytes + shard.size_of(outcome.files) > packing.shard_mb * _BYTES_PER_MB:
                stop, waiting = outcome.number, outcome
                break
            else:
                packed.append(_add(shard, outcome, packing.format))
        if not packed:
            raise DataError(f"none of the {len(broken)} clips can be read; the first: {broken[0].reason}")
        shard.end()
    return ShardNote(stop, tuple(packed), tuple(broken)), waiting


def _add(shard: ShardWriter, clip: _EncodedClip, suffix: str) -> PackedClip:
    offset = shard.add(f"{clip.number:09}", clip.files)[suffix]
    return PackedClip(clip.number, offset, len(clip.files[suffix]), clip.n_samples)


class _Index:
    """Makes the manifest of what lies in the shards."""

    def __init__(self, manifest: Manifest, events: EventFiles, sample_rate: int) -> None:
        self._manifest = manifest
        self._events = events
        self._sample_rate = sample_rate
        self._n_of_origin = Counter(clip.origin for clip in manifest.clips)

    def write(self, state: PackingState, notes: Sequence[ShardNote]) -> None:
        clips: list[Clip] = []
        for number, note in enumerate(notes):
            clips += self._shard(state.shard_path(number), note)
        broken = [one for note in notes for one in note.broken]
        lines = [f"{self._manifest.clips[one.number].title}\t{one.reason}\n" for one in broken]
        with atomic_path(state.folder / BROKEN_NAME) as temporary:
            text = "path\treason\n" + "".join(lines)
            temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
        write_manifest(state.folder / INDEX_NAME, Manifest(tuple(clips), self._manifest.labels))

    def _shard(self, shard: Path, note: ShardNote) -> list[Clip]:
        """The clips of a shard; their strong labels go into a file beside it."""
        event_path = shard.with_suffix(".events.tsv")
        origins = [self._manifest.clips[one.number] for one in note.packed]
        clips = [
            replace(
                origin,
                path=shard,
                start_s=0.0,
                duration_s=one.n_samples / self._sample_rate,
                group=self._group(origin),
                events=None if origin.events is None else event_path,
                place=Member(one.offset, one.size),
            )
            for origin, one in zip(origins, note.packed, strict=True)
        ]
        events = [
            (file_name(clip), self._events.of(origin))
            for clip, origin in zip(clips, origins, strict=True)
            if clip.events is not None
        ]
        if events:
            write_events(event_path, events)
        return clips

    def _group(self, clip: Clip) -> str:
        """Clips of one recording would be strangers to each other in the index if they had no group."""
        group = clip.origin if self._n_of_origin[clip.origin] > 1 else clip.group
        return group.encode(errors="backslashreplace").decode()  # Parquet holds text, names may be none
