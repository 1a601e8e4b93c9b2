"""What was found in a data set and what went into its manifest: numbers, and the names behind them."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from htsat.data.manifest import Clip
from htsat.data.prepare.checks import Broken, Clipped, Depth, Findings
from htsat.data.prepare.events import ClassEvents, EventReport, PlacedEvent, report_events
from htsat.data.prepare.facts import Facts
from htsat.data.prepare.listing import Listing, Missing


class FoldCount(NamedTuple):
    """Recordings of one fold: in the set's lists, there, written to the manifest, published."""

    fold: str | None
    n_listed: int
    n_found: int
    n_written: int
    n_published: int | None


class ClassCount(NamedTuple):
    """Clips of one class in the manifest."""

    label: str
    n_clips: int


class FormatCount(NamedTuple):
    """Recordings of one sample rate and number of channels."""

    sample_rate: int
    n_channels: int
    n_recordings: int


class Durations(NamedTuple):
    """Lengths of the recordings whose length is known."""

    min_s: float
    median_s: float
    max_s: float
    total_s: float


class Same(NamedTuple):
    """Recordings of which every sample is equal; whether they stand in several folds, with other labels."""

    clips: tuple[Clip, ...]
    in_several_folds: bool
    labels_differ: bool


@dataclass(frozen=True)
class Report:
    """The result of `htsat prepare`; what was not looked for at `depth` is empty.

    `events` is None where there are no strong labels.
    """

    title: str
    source: Path
    depth: Depth
    folds: tuple[FoldCount, ...]
    classes: tuple[ClassCount, ...]
    formats: tuple[FormatCount, ...]
    durations: Durations | None
    missing: tuple[Missing, ...]
    broken: tuple[Broken, ...]
    silent: tuple[Clip, ...]
    clipped: tuple[Clipped, ...]
    duplicates: tuple[Same, ...]
    dropped: tuple[str, ...]
    groups_in_several_folds: tuple[str, ...]
    unlisted: tuple[str, ...]
    unknown_labels: Mapping[str, int]
    events: EventReport | None
    notes: tuple[str, ...]

    @property
    def all_folds(self) -> FoldCount:
        """The sums over the folds."""
        published = [count.n_published for count in self.folds if count.n_published is not None]
        return FoldCount(
            "all",
            sum(count.n_listed for count in self.folds),
            sum(count.n_found for count in self.folds),
            sum(count.n_written for count in self.folds),
            sum(published) if published else None,
        )

    @property
    def empty_classes(self) -> tuple[str, ...]:
        """Classes without a clip."""
        return tuple(count.label for count in self.classes if not count.n_clips)

    @property
    def is_sound(self) -> bool:
        """Whether all that is listed is there, can be read and has known labels."""
        return not (self.missing or self.broken or self.unknown_labels)


def make_report(
    source: Path, listing: Listing, findings: Findings, written: Sequence[Clip], dropped: Collection[Clip]
) -> Report:
    """Put together what the lists, the checks and the manifest say."""
    counts = Counter(label for clip in written for label in clip.labels)
    return Report(
        title=listing.title,
        source=source,
        depth=findings.depth,
        folds=_folds(listing, written),
        classes=tuple(ClassCount(label, counts[label]) for label in listing.labels),
        formats=_formats(findings.facts.values()),
        durations=_durations(findings.facts.values()),
        missing=listing.missing,
        broken=findings.broken,
        silent=findings.silent,
        clipped=findings.clipped,
        duplicates=tuple(_same(clips) for clips in findings.duplicates),
        dropped=tuple(clip.title for clip in dropped),
        groups_in_several_folds=_parted_groups(written),
        unlisted=listing.unlisted,
        unknown_labels=listing.unknown_labels,
        events=report_events(written, listing.labels, findings.facts),
        notes=listing.notes,
    )


def _folds(listing: Listing, written: Iterable[Clip]) -> tuple[FoldCount, ...]:
    found = Counter(clip.fold for clip in (*listing.clips, *listing.unlabelled))
    missing = Counter(entry.fold for entry in listing.missing)
    kept = Counter(clip.fold for clip in written)
    names = dict.fromkeys((*listing.published, *sorted(found | missing, key=str)))
    return tuple(
        FoldCount(
            name, found[name] + missing[name], found[name], kept[name], listing.published.get(name or "")
        )
        for name in names
    )


def _formats(facts: Iterable[Facts]) -> tuple[FormatCount, ...]:
    counts = Counter((entry.sample_rate, entry.n_channels) for entry in facts)
    return tuple(FormatCount(*kind, n_recordings) for kind, n_recordings in counts.most_common())


def _durations(facts: Iterable[Facts]) -> Durations | None:
    known = [entry.duration_s for entry in facts if entry.duration_s is not None]
    if not known:
        return None
    return Durations(min(known), statistics.median(known), max(known), sum(known))


def _same(clips: tuple[Clip, ...]) -> Same:
    return Same(clips, len({clip.fold for clip in clips}) > 1, len({clip.labels for clip in clips}) > 1)


def _parted_groups(clips: Iterable[Clip]) -> tuple[str, ...]:
    folds = defaultdict(set)
    for clip in clips:
        if clip.group:
            folds[clip.group].add(clip.fold)
    return tuple(sorted(group for group, names in folds.items() if len(names) > 1))


def to_json(report: Report) -> str:
    """The report as a JSON document; recordings are named by their path."""
    document = {
        "data_set": report.title,
        "source": str(report.source),
        "check": report.depth,
        **_counts(report.all_folds),
        "n_classes": len(report.classes),
        "folds": {count.fold or "": _counts(count) for count in report.folds},
        "per_class": {count.label: count.n_clips for count in report.classes},
        "classes_without_clips": report.empty_classes,
        "formats": [entry._asdict() for entry in report.formats],
        "durations": None if report.durations is None else report.durations._asdict(),
        "missing": [entry._asdict() for entry in report.missing],
        "broken": [{"file": entry.clip.title, "reason": entry.reason} for entry in report.broken],
        "silent": [clip.title for clip in report.silent],
        "clipped": [{"file": entry.clip.title, "share": entry.share} for entry in report.clipped],
        "duplicates": [_same_fields(entry) for entry in report.duplicates],
        "dropped": report.dropped,
        "groups_in_several_folds": report.groups_in_several_folds,
        "unlisted": report.unlisted,
        "unknown_labels": dict(report.unknown_labels),
        "events": None if report.events is None else _event_fields(report.events),
        "notes": report.notes,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _event_fields(events: EventReport) -> dict[str, object]:
    return {
        "n_recordings": events.n_recordings,
        "n_events": events.n_events,
        "per_class": {entry.label: _class_fields(entry) for entry in events.classes},
        "beyond_end": [_placed_fields(placed) for placed in events.beyond_end],
        "overlapping": [_placed_fields(placed) for placed in events.overlapping],
        "short": [_placed_fields(placed) for placed in events.short],
    }


def _class_fields(entry: ClassEvents) -> dict[str, object]:
    fields = entry._asdict()
    del fields["label"]
    return fields


def _placed_fields(placed: PlacedEvent) -> dict[str, object]:
    label, onset_s, offset_s, _ = placed.event
    return {"file": placed.clip.title, "label": label, "onset": onset_s, "offset": offset_s}


def _counts(count: FoldCount) -> dict[str, int | None]:
    fields = count._asdict()
    del fields["fold"]
    return fields


def _same_fields(same: Same) -> dict[str, object]:
    return {
        "files": [clip.title for clip in same.clips],
        "in_several_folds": same.in_several_folds,
        "labels_differ": same.labels_differ,
    }
