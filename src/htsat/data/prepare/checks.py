"""Whether the recordings of a data set are sound: broken, silent, clipped, there twice."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, get_args

from htsat.data.manifest import Clip
from htsat.data.prepare.facts import Examined, Facts, examine, header_facts, sample_facts
from htsat.data.prepare.tables import PARQUET_SUFFIX

Depth = Literal["full", "headers", "none"]
"""All samples are decoded; only the header and the first block; nothing is opened."""

Droppable = Literal["silent", "duplicates"]
DROPPABLE: tuple[Droppable, ...] = get_args(Droppable)

N_FULL = 20_000
"""Up to so many recordings all are decoded unless something else is asked for."""

SILENT_PEAK = 1e-3
"""-60 dB of full scale."""

CLIPPED_SHARE = 1e-3
"""A single peak at full scale is what normalising leaves; one sample in a thousand is distortion."""

_N_FILES, _N_ROWS = 16, 256
"""Recordings that a thread takes at once; of Parquet files it takes all, which can only be read in order."""

Progress = Callable[[Iterator[Examined], int], Iterable[Examined]]
"""Passes on what comes, of which there will be so many."""


class Broken(NamedTuple):
    """A clip that cannot be used, and why."""

    clip: Clip
    reason: str


class Clipped(NamedTuple):
    """A clip with many samples at full scale."""

    clip: Clip
    share: float


@dataclass(frozen=True)
class Findings:
    """What was found out about the recordings.

    - `facts`: of each sound recording by its title; empty at depth `none`.
    - `duplicates`: recordings of which every sample is equal; silent ones are not compared.
    """

    depth: Depth
    facts: Mapping[str, Facts] = field(default_factory=dict)
    broken: tuple[Broken, ...] = ()
    silent: tuple[Clip, ...] = ()
    clipped: tuple[Clipped, ...] = ()
    duplicates: tuple[tuple[Clip, ...], ...] = ()

    def unwanted(self, drop: Iterable[Droppable]) -> set[str]:
        """Titles of the clips to leave out: the broken ones and what is to be dropped.

        Of equal recordings the first one stays.
        """
        titles = {broken.clip.title for broken in self.broken}
        if "silent" in drop:
            titles.update(clip.title for clip in self.silent)
        if "duplicates" in drop:
            titles.update(clip.title for same in self.duplicates for clip in same[1:])
        return titles


def check(clips: Sequence[Clip], depth: Depth, n_jobs: int, progress: Progress) -> Findings:
    """Look at every recording, in so many threads."""
    if depth == "none":
        return Findings(depth)
    examined = list(progress(_examine_all(clips, depth, n_jobs), len(clips)))
    good = [(entry.clip, entry.facts) for entry in examined if entry.facts is not None]
    levels = [(clip, facts.level) for clip, facts in good if facts.level is not None]
    return Findings(
        depth,
        {clip.title: facts for clip, facts in good},
        tuple(Broken(entry.clip, entry.problem) for entry in examined if entry.facts is None),
        tuple(clip for clip, level in levels if level.peak < SILENT_PEAK),
        tuple(
            Clipped(clip, level.clipped_share)
            for clip, level in levels
            if level.clipped_share >= CLIPPED_SHARE
        ),
        _duplicates(good),
    )


def default_depth(n_clips: int) -> Depth:
    """How deep to look where nobody says."""
    return "full" if n_clips <= N_FULL else "headers"


def default_jobs() -> int:
    """As many threads as there are processors for this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _examine_all(clips: Sequence[Clip], depth: Depth, n_jobs: int) -> Iterator[Examined]:
    measure = sample_facts if depth == "full" else header_facts
    pool = ThreadPoolExecutor(n_jobs)
    try:
        for part in pool.map(partial(examine, measure=measure), _parts(clips)):
            yield from part
    finally:
        pool.shutdown(cancel_futures=True)


def _parts(clips: Sequence[Clip]) -> Iterator[Sequence[Clip]]:
    """Neighbours that one thread takes: rows of one table, or some files."""
    for table, group in itertools.groupby(clips, lambda clip: clip.path if clip.place else None):
        together = list(group)
        if table is None:
            n_clips = _N_FILES
        else:
            n_clips = len(together) if table.suffix.lower() == PARQUET_SUFFIX else _N_ROWS
        yield from (together[start : start + n_clips] for start in range(0, len(together), n_clips))


def _duplicates(good: Iterable[tuple[Clip, Facts]]) -> tuple[tuple[Clip, ...], ...]:
    same: defaultdict[bytes, list[Clip]] = defaultdict(list)
    for clip, facts in good:
        if facts.digest is not None and facts.level is not None and facts.level.peak >= SILENT_PEAK:
            same[facts.digest].append(clip)
    return tuple(tuple(clips) for clips in same.values() if len(clips) > 1)
