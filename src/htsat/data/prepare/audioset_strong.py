"""AudioSet with strong labels (Hershey et al., 2021): when sounds begin and end, 456 classes, two folds.

Google's tables name the 10 s segments `<video>_<start in milliseconds>`, count times from their start, and
have machine identifiers as labels. The classes are those that the tables have: some are not among the 527.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from htsat.audio import SUFFIXES
from htsat.data.events import Events
from htsat.data.manifest import Clip
from htsat.data.prepare.audioset import STRONG_LISTS, Classes, files_below
from htsat.data.prepare.audioset_tables import TABLE_SUFFIXES, clips_of_table
from htsat.data.prepare.listing import Listing, Missing
from htsat.data.prepare.youtube import VideoClip, parse_name
from htsat.errors import DataError
from htsat.formats import csv
from htsat.labels import LabelSet

PUBLISHED = {"train": 103_463, "eval": 16_996}
"""The folds and how many segments Google lists in each."""

_NAMES = "mid_to_display_name.tsv"


class _Segment(NamedTuple):
    """A stretch of a video that was labelled."""

    name: str
    video: str
    start_s: float
    fold: str
    events: Events


def read_audioset_strong(source: Path, lists: Sequence[Path]) -> Listing:
    """List the recordings, files or rows of tables, that have strong labels.

    Args:
        source: searched to its depths for recordings, and for `mid_to_display_name.tsv`.
        lists: Google's tables; names other than theirs become folds.

    Raises:
        DataError: when a table does not fit or none of its recordings is there.
    """
    segments = [segment for path in lists for segment in _segments(path)]
    files = files_below(source)
    beside = [path.with_name(_NAMES) for path in lists]
    table = next((path for path in (*beside, *files) if path.name == _NAMES and path.is_file()), None)
    mids = {event.label for segment in segments for event in segment.events}
    names = _display_names(mids, table)
    matched = _match(files, (_named(segment, names) for segment in segments))
    if not matched.found:
        raise DataError(f"{source}: none of the {len(segments):,} listed recordings is there")
    taken = {segment.name for _, segment in matched.found}
    folds = {segment.fold for _, segment in matched.found}
    return Listing(
        "AudioSet, strong labels",
        tuple(_labelled(clip, segment) for clip, segment in matched.found),
        LabelSet.of(sorted(names.values())),
        tuple(Missing(segment.name, segment.fold) for segment in segments if segment.name not in taken),
        unlisted=tuple(matched.unlisted),
        published={fold: n_clips for fold, n_clips in PUBLISHED.items() if fold in folds},
        events={clip.title: segment.events for clip, segment in matched.found},
        notes=tuple(_notes(names)),
    )


def _segments(path: Path) -> list[_Segment]:
    fold = STRONG_LISTS.get(path.name, path.stem)
    listed = []
    for name, events in csv.read_events(path).items():
        video, _, start_ms = name.rpartition("_")
        if not video or not start_ms.isdecimal():
            raise DataError(f"{path}: expected segments as <video>_<milliseconds>, got {name!r}")
        listed.append(_Segment(name, video, int(start_ms) / 1000, fold, tuple(events)))
    return listed


def _display_names(mids: Iterable[str], table: Path | None) -> dict[str, str]:
    """Names of classes by machine identifier; one without a name keeps the identifier.

    Those of the 527 classes are called as models call them.
    """
    known = {} if table is None else _read_names(table)
    known |= Classes().display_names
    names = {mid: known.get(mid, mid) for mid in sorted(mids)}
    if len(set(names.values())) < len(names):
        raise DataError(f"{table}: gives several of the classes one name")
    return names


def _read_names(path: Path) -> dict[str, str]:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise DataError(f"{path}, line {number}: expected a machine identifier, a tab and a name")
    return {mid: name.strip() for mid, name in rows}


class _Matched(NamedTuple):
    """Recordings with their segments, and the titles of those that have none."""

    found: list[tuple[Clip, _Segment]]
    unlisted: list[str]


def _match(files: Iterable[Path], segments: Iterable[_Segment]) -> _Matched:
    of_video: defaultdict[str, list[_Segment]] = defaultdict(list)
    for segment in segments:
        of_video[segment.video].append(segment)
    matched = _Matched([], [])
    for clip, name in _recordings(files):
        meant = _segment_of(parse_name(name), of_video)
        if meant is None:
            matched.unlisted.append(clip.title)
        else:
            matched.found.append((clip, meant))
            of_video[meant.video].remove(meant)
    return matched


def _recordings(files: Iterable[Path]) -> Iterator[tuple[Clip, str]]:
    """Clips without labels yet, and their names without suffix."""
    for path in files:
        if path.suffix.lower() in SUFFIXES:
            yield Clip(path, ()), path.stem
        elif path.suffix.lower() in TABLE_SUFFIXES:
            yield from clips_of_table(path)


def _segment_of(name: VideoClip | None, of_video: Mapping[str, Sequence[_Segment]]) -> _Segment | None:
    if name is None:
        return None
    listed = of_video.get(name.video, ())
    return next((segment for segment in listed if name.may_start_at(segment.start_s)), None)


def _named(segment: _Segment, names: Mapping[str, str]) -> _Segment:
    events = (event._replace(label=names[event.label]) for event in segment.events)
    return segment._replace(events=tuple(events))


def _labelled(clip: Clip, segment: _Segment) -> Clip:
    labels = tuple(sorted({event.label for event in segment.events}))
    return replace(clip, labels=labels, fold=segment.fold, group=segment.video)


def _notes(names: Mapping[str, str]) -> Iterator[str]:
    known = Classes().display_names
    others = {mid: name for mid, name in names.items() if mid not in known}
    if others:
        yield f"{len(others):,} classes are not among the 527 of weak labels: {', '.join(others.values())}"
    n_nameless = sum(mid == name for mid, name in others.items())
    if n_nameless:
        yield f"{n_nameless:,} classes are called by their machine identifiers, for want of {_NAMES}"
