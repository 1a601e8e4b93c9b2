"""From the lists of a data set to its manifest: check, leave out what cannot be used, write, report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from htsat.data.events import Events, file_name, write_events
from htsat.data.manifest import Clip, Manifest, write_manifest
from htsat.data.prepare.checks import Depth, Droppable, Progress, check, default_depth
from htsat.data.prepare.facts import Facts
from htsat.data.prepare.listing import Listing
from htsat.data.prepare.report import Report, make_report, to_json
from htsat.data.prepare.summary import to_markdown
from htsat.errors import ConfigError, DataError
from htsat.files import write_text

ManifestFormat = Literal["tsv", "parquet"]

N_TSV = 200_000
"""Manifests with more clips are Parquet unless something else is asked for."""


@dataclass(frozen=True)
class Wishes:
    """How thorough the checks are and how the manifest is written; None: by the size of the data set.

    Raises:
        ConfigError: when something is to be dropped that the checks do not look for.
    """

    depth: Depth | None = None
    n_jobs: int = 1
    drop: frozenset[Droppable] = frozenset()
    manifest_format: ManifestFormat | None = None

    def __post_init__(self) -> None:
        if self.drop and self.depth not in (None, "full"):
            raise ConfigError(
                f"dropping {' and '.join(sorted(self.drop))} needs check full, got {self.depth}"
            )


@dataclass(frozen=True)
class Prepared:
    """The manifest that was written, and what the user should know of it."""

    manifest_path: Path
    n_clips: int
    report: Report


def prepare(listing: Listing, source: Path, output: Path, wishes: Wishes, progress: Progress) -> Prepared:
    """Check the recordings and write `manifest`, `labels.txt`, `report.json` and `report.md` to a folder.

    Where the listing asks for it `unlabelled.tsv`, `ATTRIBUTION.md` and tables of events too. A manifest of
    another format that an earlier run left is removed. Where the folds of the data set part a group, its
    clips in each fold are a group of their own: otherwise the folds could not be used.

    Raises:
        DataError: when no clip can be used; nothing was written then.
    """
    everything = (*listing.clips, *listing.unlabelled)
    depth = wishes.depth or ("full" if wishes.drop else default_depth(len(everything)))
    findings = check(everything, depth, wishes.n_jobs, progress)
    unwanted = findings.unwanted(wishes.drop)
    kept = _without(listing.clips, unwanted)
    if not kept:
        reason = f"; the first: {findings.broken[0].reason}" if findings.broken else ""
        raise DataError(f"{source}: none of {len(everything)} recordings can be used{reason}")
    if listing.events:
        kept = _write_events(output, listing.events, kept)
    broken = {entry.clip.title for entry in findings.broken}
    dropped = [clip for clip in everything if clip.title in unwanted - broken]
    report = make_report(source, listing, findings, kept, dropped)
    if listing.with_durations:
        kept = _with_durations(kept, findings.facts)
    manifest = Manifest(_with_whole_groups(kept, report.groups_in_several_folds), listing.labels)
    path = _write_manifest(output, manifest, wishes.manifest_format)
    _write_lists(output, listing, unwanted, kept)
    write_text(output / "report.json", to_json(report))
    write_text(output / "report.md", to_markdown(report))
    return Prepared(path, len(kept), report)


def _without(clips: Iterable[Clip], unwanted: set[str]) -> tuple[Clip, ...]:
    return tuple(clip for clip in clips if clip.title not in unwanted)


def _write_events(output: Path, events: Mapping[str, Events], clips: Iterable[Clip]) -> tuple[Clip, ...]:
    """Write a table of events for each fold; gives the clips with theirs."""
    by_fold: defaultdict[str | None, list[Clip]] = defaultdict(list)
    for clip in clips:
        by_fold[clip.fold].append(clip)
    written: list[Clip] = []
    for fold, of_fold in by_fold.items():
        path = output / (f"events-{fold}.tsv" if fold else "events.tsv")
        write_events(path, ((file_name(clip), events[clip.title]) for clip in of_fold))
        written += (replace(clip, events=path) for clip in of_fold)
    return tuple(written)


def _with_durations(clips: Iterable[Clip], facts: Mapping[str, Facts]) -> tuple[Clip, ...]:
    return tuple(
        replace(clip, duration_s=facts[clip.title].duration_s) if clip.title in facts else clip
        for clip in clips
    )


def _with_whole_groups(clips: Iterable[Clip], parted: Iterable[str]) -> tuple[Clip, ...]:
    names = set(parted)
    return tuple(
        replace(clip, group=f"{clip.group} in {clip.fold}") if clip.group in names else clip for clip in clips
    )


def _write_manifest(output: Path, manifest: Manifest, chosen: ManifestFormat | None) -> Path:
    suffix = chosen or ("tsv" if len(manifest.clips) <= N_TSV else "parquet")
    path = output / f"manifest.{suffix}"
    write_manifest(path, manifest)
    (output / ("manifest.tsv" if suffix == "parquet" else "manifest.parquet")).unlink(missing_ok=True)
    return path


def _write_lists(output: Path, listing: Listing, unwanted: set[str], kept: Sequence[Clip]) -> None:
    if listing.unlabelled:
        rows = (f"{clip.path}\t{clip.group}\n" for clip in _without(listing.unlabelled, unwanted))
        write_text(output / "unlabelled.tsv", "path\tgroup\n" + "".join(rows))
    if listing.credits:
        write_text(output / "ATTRIBUTION.md", "".join(f"{listing.credits[clip.path]}\n" for clip in kept))
