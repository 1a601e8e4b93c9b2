"""A report of what is heard in many recordings, as a page of limited size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from htsat.pictures.rows import clock, exact_clock
from htsat.reports import charts
from htsat.reports.charts import Columns, HeatRow, heat_map
from htsat.reports.examples import Example, Examples
from htsat.reports.moments import Moment, about
from htsat.reports.page import data_address, text, write_page
from htsat.reports.small_audio import KIND
from htsat.reports.tally import ClassTally, RecordingTally, Tally
from htsat.reports.thumbnail import HEIGHT, WIDTH

_MOST_CLASSES = 200
_MOST_ROWS = 40
_MOST_RECORDINGS = 200
_MOST_FAILED = 200

_LOOK = (
    """
.tiles { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
.tiles div { background: var(--panel); border-radius: 8px; padding: .6rem 1.1rem; min-width: 8rem; }
.tiles b { display: block; font-size: 1.45rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--faint); font-size: .85rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; font-weight: 600; color: var(--faint); border-bottom: 1px solid var(--line); }
th, td { padding: .22rem .8rem .22rem 0; vertical-align: top; } td { overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { width: 45%; min-width: 9rem; } .bar i { display: block; height: .95rem; margin-top: .25rem;
  border-radius: 2px; background: var(--heard); min-width: 2px; }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--panel); border-radius: 8px; overflow: hidden; }
figure img { width: 100%; height: auto; display: block; } figure audio { height: 2.1rem; margin-top: .35rem; }
figcaption { padding: .45rem .7rem .2rem; font-size: .84rem; overflow-wrap: anywhere; }
figcaption span { color: var(--faint); } h3 { font-size: .98rem; margin: 1.3rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.4rem; margin: 0; font-size: .9rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; } ul { padding-left: 1.2rem; }
"""
    + charts.LOOK
)


class Report(NamedTuple):
    """What a report tells: all recordings in their order, what was counted of them, and where it comes from.

    `failed` has a line for each recording that could not be read; `origin` has names and values.
    """

    title: str
    paths: Sequence[Path]
    moments: Sequence[Moment | None]
    tally: Tally
    examples: Examples
    failed: Sequence[str]
    origin: Sequence[tuple[str, str]]


def write_report(path: Path, report: Report) -> None:
    """Write the page."""
    sections = (_head, _classes, _hours, _timeline, _examples, _recordings, _failed, _origin)
    write_page(path, report.title, _LOOK, "\n".join(section(report) for section in sections))


def _head(report: Report) -> str:
    tally = report.tally
    length = "" if tally.duration_s is None else _tile(_length(tally.duration_s), "of sound")
    failed = _tile(f"{len(report.failed):,}", "could not be read") if report.failed else ""
    tiles = (
        _tile(f"{len(tally.recordings):,}", "recordings"),
        length,
        _tile(f"{tally.n_events:,}", "events"),
        _tile(f"{len(tally.classes):,}", "classes heard"),
        failed,
    )
    return f'<h1>{text(report.title)}</h1><div class="tiles">{"".join(tiles)}</div>'


def _tile(number: str, what: str) -> str:
    return f"<div><b>{number}</b><span>{what}</span></div>"


def _length(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def _classes(report: Report) -> str:
    classes = report.tally.classes
    if not classes:
        return "<h2>Classes</h2><p>Nothing is heard.</p>"
    most = classes[0].n_events
    rows = "".join(_class_row(tally, most) for tally in classes[:_MOST_CLASSES])
    head = "<th>class</th><th></th>" + "".join(
        f'<th class="number">{name}</th>' for name in ("events", "together", "recordings", "mean probability")
    )
    note = _more(len(classes) - _MOST_CLASSES, "classes")
    return f'<h2>Classes</h2><div class="wide"><table><tr>{head}</tr>{rows}</table></div>{note}'


def _class_row(tally: ClassTally, most: int) -> str:
    numbers = (
        f"{tally.n_events:,}",
        _length(tally.seconds),
        f"{tally.n_recordings:,}",
        f"{tally.mean_probability:.2f}",
    )
    cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
    bar = f'<td class="bar"><i style="width:{100 * tally.n_events / most:.1f}%"></i></td>'
    return f"<tr><td>{text(tally.label)}</td>{bar}{cells}</tr>"


def _hours(report: Report) -> str:
    rows = [
        HeatRow(tally.label, [tally.hours[hour] for hour in range(24)], f"{tally.n_events:,}")
        for tally in report.tally.classes[:_MOST_ROWS]
    ]
    if not rows or not any(any(row.counts) for row in rows):
        return ""
    columns = Columns([f"{hour:02d}:00 to {hour + 1:02d}:00" for hour in range(24)], list(_HOURS), "events")
    chart = heat_map(rows, columns, _listened(report))
    note = f"{about(report.moments)} Each row has its own scale.{_first_rows(report)}"
    return f'<h2>Hour of the day</h2><p class="note">{text(note)}</p>{chart}'


_HOURS = tuple(f"{hour:02d}" for hour in range(24))


def _listened(report: Report) -> HeatRow:
    """How many recordings begin in each hour: where there are none, nothing could be heard."""
    starts = [0] * 24
    for recording in report.tally.recordings:
        moment = report.moments[recording.number]
        if moment is not None:
            starts[moment.time.hour] += 1
    return HeatRow("recordings", starts, f"{sum(starts):,}")


def _timeline(report: Report) -> str:
    tally = report.tally
    timeline = tally.timeline
    if timeline.n_columns < 2 or not tally.classes:
        return ""
    rows = [
        HeatRow(one.label, [one.columns[place] for place in range(timeline.n_columns)], f"{one.n_events:,}")
        for one in tally.classes[:_MOST_ROWS]
    ]
    starts = [0] * timeline.n_columns
    for recording in tally.recordings:
        starts[timeline.column(recording.number, 0.0)] += 1
    effort = HeatRow("recordings", starts, f"{len(tally.recordings):,}")
    by = "By time" if timeline.step else "By recording, in the order of their names"
    names = Columns(timeline.names, timeline.names, "events")
    note = f"{by}. Each row has its own scale.{_first_rows(report)}"
    return f'<h2>Timeline</h2><p class="note">{text(note)}</p>{heat_map(rows, names, effort)}'


def _first_rows(report: Report) -> str:
    n_classes = len(report.tally.classes)
    return (
        f" Shown are the {_MOST_ROWS} most frequent of {n_classes} classes." if n_classes > _MOST_ROWS else ""
    )


def _examples(report: Report) -> str:
    shown = {label: made for label, made in report.examples.by_class.items() if made}
    if not shown:
        return ""
    n_bytes = sum(example.n_bytes for made in shown.values() for example in made)
    left_out = report.examples.n_left_out
    note = f"The most probable events, with their sound: {n_bytes / 1e6:.1f} MB of this page."
    note += f" For {left_out:,} more there was no room." if left_out else ""
    ordered = [tally.label for tally in report.tally.classes if tally.label in shown]
    groups = "".join(
        f"<h3>{text(label)}</h3>"
        f'<div class="examples">{"".join(_example(example, report.paths) for example in shown[label])}</div>'
        for label in ordered
    )
    return f'<h2>Examples</h2><p class="note">{note}</p>{groups}'


def _example(example: Example, paths: Sequence[Path]) -> str:
    event = example.place.event
    name = paths[example.place.recording].name
    return (
        f'<figure><img src="{data_address(example.picture, "image/png")}" width="{WIDTH}" height="{HEIGHT}" '
        f'alt="spectrogram"><figcaption>{text(name)}<br><span>{exact_clock(event.onset_s)} to '
        f"{exact_clock(event.offset_s)}, probability {event.probability:.2f}</span></figcaption>"
        f'<audio controls preload="none" src="{data_address(example.sound, KIND)}"></audio></figure>'
    )


def _recordings(report: Report) -> str:
    ordered = sorted(report.tally.recordings, key=lambda recording: -recording.n_events)
    rows = "".join(_recording_row(recording, report) for recording in ordered[:_MOST_RECORDINGS])
    head = (
        '<th>recording</th><th>time</th><th class="number">length</th><th class="number">events</th>'
        "<th>mostly</th>"
    )
    note = _more(len(ordered) - _MOST_RECORDINGS, "recordings")
    return f'<h2>Recordings</h2><div class="wide"><table><tr>{head}</tr>{rows}</table></div>{note}'


def _recording_row(recording: RecordingTally, report: Report) -> str:
    moment = report.moments[recording.number]
    time = "" if moment is None else moment.time.strftime("%Y-%m-%d %H:%M")
    length = "" if recording.duration_s is None else clock(recording.duration_s)
    mostly = ", ".join(f"{label} ({n_events:,})" for label, n_events in recording.most)
    return (
        f'<tr><td>{text(str(report.paths[recording.number]))}</td><td class="number">{time}</td>'
        f'<td class="number">{length}</td><td class="number">{recording.n_events:,}</td>'
        f"<td>{text(mostly)}</td></tr>"
    )


def _failed(report: Report) -> str:
    if not report.failed:
        return ""
    lines = "".join(f"<li>{text(line)}</li>" for line in report.failed[:_MOST_FAILED])
    note = _more(len(report.failed) - _MOST_FAILED, "recordings")
    return f"<h2>Could not be read</h2><ul>{lines}</ul>{note}"


def _origin(report: Report) -> str:
    rows = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in report.origin)
    return f"<h2>Made by</h2><dl>{rows}</dl>"


def _more(n_more: int, what: str) -> str:
    return f'<p class="note">and {n_more:,} more {what}</p>' if n_more > 0 else ""
