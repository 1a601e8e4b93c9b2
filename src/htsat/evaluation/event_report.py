"""What a comparison of detected with true events found, and how it is written: as JSON and for people.

K classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from htsat.files import write_text
from htsat.labels import LabelSet
from htsat.metrics.collar_based import Collar
from htsat.metrics.counting import Counts, Numbers
from htsat.metrics.intersection_based import IntersectionCounts, Tolerances
from htsat.metrics.psds import Psds, PsdsParameters

Overlaps = Literal["merge", "report"]
"""What happens to events of one class that overlap: they become one, or stay and are listed in the report."""

_N_SHOWN = 8


@dataclass(frozen=True)
class EventSettings:
    """What counts as found, in each of the metrics."""

    tolerances: Tolerances = field(default_factory=Tolerances)
    collar: Collar = field(default_factory=Collar)
    segment_s: float = 1.0
    overlaps: Overlaps = "merge"


class ListedEvent(NamedTuple):
    """One event of a list, with its recording."""

    file: str
    label: str
    onset_s: float
    offset_s: float


class ListFacts(NamedTuple):
    """What a list of events holds.

    - `n_events`: of each class, as they were counted; `(K,)`.
    - `n_overlapping`: events that begin before an earlier one of their class has ended, in the list as it
      came; `overlapping` are these, empty if they were merged.
    - `n_beyond_end`: events that end after their recording.
    - `n_without_length`: events that end where they begin.
    """

    source: str
    n_events: Numbers
    n_overlapping: int
    overlapping: tuple[ListedEvent, ...]
    n_beyond_end: int
    n_without_length: int


class Recordings(NamedTuple):
    """On which recordings everything was counted, whatever folder they were in."""

    n_recordings: int
    list_sha256: str
    duration_s: float


@dataclass(frozen=True, eq=False)
class EventReport:
    """The result of a comparison; `psds1` and `psds2` are None without scores."""

    recordings: Recordings
    labels: LabelSet
    reference: ListFacts
    estimated: ListFacts
    settings: EventSettings
    intersection: IntersectionCounts
    collar: Counts
    segment: Counts
    psds1: Psds | None = None
    psds2: Psds | None = None

    @property
    def psds(self) -> dict[str, Psds]:
        """The scores over all thresholds that there are, by their names."""
        both = {"psds1": self.psds1, "psds2": self.psds2}
        return {name: score for name, score in both.items() if score is not None}

    @property
    def counts(self) -> dict[str, Counts]:
        """The counts of each metric, by its name."""
        return {"intersection": self.intersection.counts, "collar": self.collar, "segment": self.segment}

    @property
    def parameters(self) -> dict[str, dict[str, float]]:
        """The parameters of each metric, as the options call them."""
        collar = {"collar": self.settings.collar.collar_s, "offset_share": self.settings.collar.offset_share}
        return {
            "intersection": asdict(self.settings.tolerances),
            "collar": collar,
            "segment": {"segment": self.settings.segment_s},
        }

    @property
    def cross_triggers(self) -> list[tuple[str, str, int]]:
        """Estimated class, true class and number of false positives that it triggered, the most first."""
        pairs = np.argwhere(self.intersection.cross_triggers)
        found = [
            (self.labels[heard], self.labels[true], int(self.intersection.cross_triggers[heard, true]))
            for heard, true in pairs
        ]
        return sorted(found, key=lambda entry: -entry[2])

    @property
    def n_only_estimated(self) -> int:
        """Classes with estimates and without reference: they count in the micro F1, not in the macro."""
        return int(((self.reference.n_events == 0) & (self.estimated.n_events > 0)).sum())

    @property
    def n_absent(self) -> int:
        """Classes with neither: they have no F score and count nowhere."""
        return int(((self.reference.n_events == 0) & (self.estimated.n_events == 0)).sum())


def write_event_report(path: Path, report: EventReport) -> None:
    """Write a report as JSON; the file is whole or not there."""
    write_text(path, event_json(report))


def event_json(report: EventReport) -> str:
    """The report as a JSON document; null is what does not exist."""
    parameters = report.parameters
    document = {
        "n_recordings": report.recordings.n_recordings,
        "recording_list_sha256": report.recordings.list_sha256,
        "duration": report.recordings.duration_s,
        "n_classes": len(report.labels),
        "n_classes_only_estimated": report.n_only_estimated,
        "n_classes_absent": report.n_absent,
        "overlaps": report.settings.overlaps,
        "reference": _list_fields(report.reference, report.labels),
        "estimated": _list_fields(report.estimated, report.labels),
        **{
            f"{name}_f1": _metric_fields(counts, report.labels, parameters[name])
            for name, counts in report.counts.items()
        },
        **{name: score.value for name, score in report.psds.items()},
        **{f"{name}_details": _psds_fields(score, report.labels) for name, score in report.psds.items()},
        "cross_triggers": [
            {"estimated": heard, "reference": true, "n_events": n} for heard, true, n in report.cross_triggers
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _list_fields(facts: ListFacts, labels: LabelSet) -> dict[str, object]:
    return {
        "source": facts.source,
        "n_events": int(facts.n_events.sum()),
        "n_overlapping": facts.n_overlapping,
        "n_beyond_end": facts.n_beyond_end,
        "n_without_length": facts.n_without_length,
        "per_class": dict(zip(labels, facts.n_events.tolist(), strict=True)),
        "overlapping": [
            {"file": event.file, "label": event.label, "onset": event.onset_s, "offset": event.offset_s}
            for event in facts.overlapping
        ],
    }


def _metric_fields(counts: Counts, labels: LabelSet, parameters: Mapping[str, float]) -> dict[str, object]:
    numbers = (counts.true_positives, counts.false_positives, counts.false_negatives)
    names = ("true_positives", "false_positives", "false_negatives")
    rows = zip(*(column.tolist() for column in numbers), strict=True)
    return {
        "macro": _or_null(counts.macro_f()),
        "micro": _or_null(counts.micro_f()),
        "per_class": dict(zip(labels, map(_or_null, counts.f_scores().tolist()), strict=True)),
        "parameters": parameters,
        "counts": {
            label: dict(zip(names, row, strict=True)) for label, row in zip(labels, rows, strict=True)
        },
    }


def _psds_fields(score: Psds, labels: LabelSet) -> dict[str, object]:
    values = map(_or_null, score.class_values.tolist())
    return {"per_class": dict(zip(labels, values, strict=True)), "parameters": asdict(score.parameters)}


def _or_null(value: float) -> float | None:
    return value if math.isfinite(value) else None


def describe_events(report: EventReport) -> Iterator[str]:
    """The report for people, line by line."""
    yield from _conditions(report)
    yield from ["", *_figures(report)]
    yield from ["", *_classes(report)]
    if report.cross_triggers:
        yield from ["", *_most_frequent_triggers(report)]


def _conditions(report: EventReport) -> Iterator[str]:
    recordings = report.recordings
    yield f"estimated   {_list_words(report.estimated, report.settings.overlaps)}"
    yield f"reference   {_list_words(report.reference, report.settings.overlaps)}"
    yield (
        f"recordings  {recordings.n_recordings}, {recordings.duration_s:.0f} s, "
        f"list sha256 {recordings.list_sha256}"
    )
    left_out = f", {report.n_only_estimated} more only estimated" if report.n_only_estimated else ""
    absent = f", {report.n_absent} more in neither list" if report.n_absent else ""
    n_present = int((report.reference.n_events > 0).sum())
    yield f"classes     {n_present} in the reference: the macro mean is over these{left_out}{absent}"


def _list_words(facts: ListFacts, overlaps: Overlaps) -> str:
    notes = [
        (facts.n_overlapping, "merged into earlier ones" if overlaps == "merge" else "overlap earlier ones"),
        (facts.n_beyond_end, "end after their recording"),
        (facts.n_without_length, "without length"),
    ]
    words = "".join(f", {n} {what}" for n, what in notes if n)
    return f"{facts.source}: {facts.n_events.sum()} events{words}"


def _figures(report: EventReport) -> Iterator[str]:
    tolerances, collar = report.settings.tolerances, report.settings.collar
    conditions = {
        "intersection": f"dtc {tolerances.dtc:g}, gtc {tolerances.gtc:g}, cttc {tolerances.cttc:g}",
        "collar": f"onset {collar.collar_s:g} s, offset {collar.collar_s:g} s or "
        f"{100 * collar.offset_share:g} % of a longer event",
        "segment": f"segments of {report.settings.segment_s:g} s",
    }
    yield "F1              macro   micro  counted with"
    for name, counts in report.counts.items():
        yield f"{name:<13} {_number(counts.macro_f())} {_number(counts.micro_f())}  {conditions[name]}"
    for name, score in report.psds.items():
        yield f"{name.upper():<13} {_number(score.value)}          {_psds_words(score.parameters)}"


def _psds_words(parameters: PsdsParameters) -> str:
    triggers = "" if parameters.cttc is None else f", cttc {parameters.cttc:g}"
    weights = f"alpha_ct {parameters.alpha_ct:g}, alpha_st {parameters.alpha_st:g}"
    return f"dtc {parameters.dtc:g}, gtc {parameters.gtc:g}{triggers}, {weights}, all thresholds"


def _number(value: float) -> str:
    return f"{value:7.4f}" if math.isfinite(value) else "      -"


def _classes(report: EventReport) -> Iterator[str]:
    yield "intersection  collar  segment  reference  estimated  class"
    scores = np.stack([counts.f_scores() for counts in report.counts.values()], axis=1)
    n_events = zip(report.reference.n_events, report.estimated.n_events, strict=True)
    for label, (intersection, collar, segment), (n_true, n_heard) in zip(
        report.labels, scores, n_events, strict=True
    ):
        figures = f"     {_number(intersection)} {_number(collar)}  {_number(segment)}"
        yield f"{figures}  {n_true:9d}  {n_heard:9d}  {label}"


def _most_frequent_triggers(report: EventReport) -> Iterator[str]:
    yield "most frequent cross triggers (a false detection in events of another class)"
    yield "  events  true -> heard"
    for heard, true, n in report.cross_triggers[:_N_SHOWN]:
        yield f"{n:8d}  {true} -> {heard}"
