"""The report of a data set for people: some lines for the terminal, and a page that names recordings too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized

from htsat.data.prepare.checks import CLIPPED_SHARE
from htsat.data.prepare.events import SHORT_S, EventReport
from htsat.data.prepare.report import Durations, FoldCount, Report

N_NAMED = 50
"""So many recordings of a kind the page names; `report.json` names all."""

_N_FORMATS = 4

_DEPTHS = {
    "full": "every recording decoded to its end",
    "headers": "headers only; levels and duplicates were not looked at",
    "none": "no recording was opened",
}


def summarise(report: Report) -> Iterator[str]:
    """The report line by line, in numbers."""
    yield f"{report.title}: {report.source}"
    yield f"checked: {_DEPTHS[report.depth]}"
    yield ""
    yield from _fold_table(report)
    yield ""
    yield from _aligned([*_contents(report), ("", ""), *_problems(report)])
    if report.notes:
        yield ""
        yield from (f"note: {note}" for note in report.notes)


def to_markdown(report: Report) -> str:
    """The report as a page that names what something is the matter with; long lists are cut."""
    lines = [f"# {report.title}, as `htsat prepare` found it", "", "```", *summarise(report), "```"]
    for title, entries in _named(report).items():
        lines += _section(title, list(entries))
    classes = (f"| {count.label} | {count.n_clips:,} |" for count in report.classes)
    lines += ["", "## Clips per class", "", "| class | clips |", "|---|---:|", *classes]
    if report.events:
        lines += _event_table(report.events)
    return "\n".join(lines) + "\n"


def _event_table(events: EventReport) -> list[str]:
    rows = (
        f"| {entry.label} | {entry.n_events:,} | {entry.total_s:,.1f} | {entry.median_s:.2f} |"
        for entry in events.classes
    )
    header = "| class | events | seconds | median |"
    return ["", "## Events per class", "", header, "|---|---:|---:|---:|", *rows]


def _named(report: Report) -> dict[str, Iterable[str]]:
    """What something is the matter with; recordings by their place in the source."""

    def place(title: str) -> str:
        return f"`{title.removeprefix(f'{report.source}/')}`"

    clipped = sorted(report.clipped, key=lambda entry: -entry.share)
    return {
        "Missing": (f"`{entry.name}`" for entry in report.missing),
        "Broken": (f"{place(entry.clip.title)}: {entry.reason}" for entry in report.broken),
        "Unknown labels": (f"{name}: {n:,} clips" for name, n in report.unknown_labels.items()),
        "Silent": (place(clip.title) for clip in report.silent),
        "Clipped": (f"{place(entry.clip.title)}: {entry.share:.1%} of samples" for entry in clipped),
        "Duplicates": (" = ".join(place(clip.title) for clip in same.clips) for same in report.duplicates),
        "Dropped": map(place, report.dropped),
        "Classes without clips": report.empty_classes,
        "Groups in several folds": report.groups_in_several_folds,
        "In no list": map(place, report.unlisted),
        **(_named_events(report.events, place) if report.events else {}),
    }


def _named_events(events: EventReport, place: Callable[[str], str]) -> dict[str, Iterable[str]]:
    found = {
        "Events beyond the end": events.beyond_end,
        "Events that overlap one of their class": events.overlapping,
        "Very short events": events.short,
    }
    return {
        title: [
            f"{place(clip.title)}: {event.label}, {event.onset_s:g} to {event.offset_s:g} s"
            for clip, event in some
        ]
        for title, some in found.items()
    }


def _section(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    lines = [f"- {entry}" for entry in entries[:N_NAMED]]
    n_more = len(entries) - len(lines)
    more = [f"- and {n_more:,} more, named in `report.json`"] if n_more else []
    return ["", f"## {title}", "", *lines, *more]


def _fold_table(report: Report) -> list[str]:
    named = [count for count in report.folds if count.fold is not None]
    folds = named if len(named) == len(report.folds) == 1 else [*named, report.all_folds]
    header = ["fold", "listed", "there", "written"]
    if report.all_folds.n_published is not None:
        header.append("published")
    rows = [header, *(_fold_row(count)[: len(header)] for count in folds)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_fold_line(row, widths) for row in rows]


def _fold_line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
    return "  ".join([row[0].ljust(widths[0]), *numbers]).rstrip()


def _fold_row(count: FoldCount) -> list[str]:
    published = "" if count.n_published is None else f"{count.n_published:,}"
    return [count.fold or "-", f"{count.n_listed:,}", f"{count.n_found:,}", f"{count.n_written:,}", published]


def _contents(report: Report) -> Iterator[tuple[str, str]]:
    heard = [count.n_clips for count in report.classes if count.n_clips]
    per_class = f", {_range(heard)} clips each" if heard else ""
    yield "classes", f"{len(report.classes)}{per_class}"
    if report.formats:
        formats = [
            f"{entry.sample_rate:,} Hz {_channels(entry.n_channels)} ({entry.n_recordings:,})"
            for entry in report.formats[:_N_FORMATS]
        ]
        n_more = len(report.formats) - len(formats)
        yield "formats", ", ".join(formats + [f"{n_more} more"] * bool(n_more))
    if report.durations:
        yield "length", _lengths(report.durations)
    if report.events:
        lengths_s = [entry.median_s for entry in report.events.classes]
        medians = f", median by class {min(lengths_s):.2f} to {max(lengths_s):.2f} s" if lengths_s else ""
        yield "events", f"{report.events.n_events:,} in {report.events.n_recordings:,} recordings{medians}"


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _channels(n_channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(n_channels, f"{n_channels} channels")


def _lengths(durations: Durations) -> str:
    span = f"{durations.min_s:.2f} to {durations.max_s:.2f} s, median {durations.median_s:.2f} s"
    return f"{span}, {durations.total_s / 3600:,.1f} h in all"


def _problems(report: Report) -> Iterator[tuple[str, str]]:
    yield "missing", f"{len(report.missing):,}"
    if report.depth != "none":
        yield "broken", f"{len(report.broken):,}"
    if report.depth == "full":
        yield "silent", f"{len(report.silent):,}"
        yield (
            "clipped",
            f"{len(report.clipped):,}"
            + _if_any(report.clipped, f"at least {CLIPPED_SHARE:.1%} of samples at full scale"),
        )
        yield "duplicates", _duplicates(report)
    yield from _problems_of_some(report)


def _problems_of_some(report: Report) -> Iterator[tuple[str, str]]:
    """What is only worth a line where there is some of it."""
    parted = report.groups_in_several_folds
    counts: dict[str, tuple[Sized, str]] = {
        "dropped": (report.dropped, ""),
        "in no list": (report.unlisted, ""),
        "unknown labels": (report.unknown_labels, ""),
        "empty classes": (report.empty_classes, ""),
        "parted groups": (parted, "the folds part recordings of one origin"),
    }
    if report.events:
        counts |= {
            "beyond the end": (report.events.beyond_end, "events that end behind their recording"),
            "overlapping": (report.events.overlapping, "events of one class at once"),
            "very short": (report.events.short, f"events below {SHORT_S:g} s"),
        }
    yield from (
        (name, f"{len(some):,}" + _if_any(some, what)) for name, (some, what) in counts.items() if some
    )


def _duplicates(report: Report) -> str:
    n_same = sum(len(same.clips) - 1 for same in report.duplicates)
    n_parted = sum(same.in_several_folds for same in report.duplicates)
    n_unequal = sum(same.labels_differ for same in report.duplicates)
    details = f"{n_parted:,} across folds, {n_unequal:,} with other labels"
    return f"{n_same:,}" + _if_any(report.duplicates, details)


def _if_any(some: object, words: str) -> str:
    return f" ({words})" if some and words else ""


def _aligned(pairs: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in pairs)
    return [f"{name.ljust(width)}  {text}".rstrip() for name, text in pairs]
