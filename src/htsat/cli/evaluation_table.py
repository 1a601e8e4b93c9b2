"""What `htsat evaluate` found, line by line for people."""

from __future__ import annotations

from collections.abc import Iterator

from htsat.cli.progress import fixed
from htsat.data.manifest import Clip
from htsat.evaluation.detection import DetectionReport
from htsat.evaluation.event_report import describe_events
from htsat.evaluation.report import Report
from htsat.metrics.summary import Interval

_N_SHOWN = 8


def describe_evaluation(report: Report) -> Iterator[str]:
    """The report for people, line by line."""
    yield from _conditions(report)
    yield from ["", *_figures(report)]
    yield from ["", *_hardest_classes(report)]
    if report.confusions:
        yield from ["", *_most_frequent_confusions(report)]
    yield from ["", *_worst_clips(report)]
    if report.detection is not None:
        yield from ["", *_events(report.detection)]


def _conditions(report: Report) -> Iterator[str]:
    n_without = report.n_classes_without_positives
    left_out = f" ({n_without} without positives, left out of the means)" if n_without else ""
    failed = f" ({len(report.broken)} more could not be heard)" if report.broken else ""
    yield f"model    {' + '.join(report.models)}"
    yield f"data     {report.data}"
    yield f"clips    {report.n_clips}{failed}, list sha256 {report.clip_list_sha256}"
    yield f"task     {report.task.replace('_', '-')}, {len(report.per_class)} classes{left_out}"
    if report.class_map is not None:
        yield f"map      classes put together by {report.class_map}"
    yield f"passes   {report.n_passes}{'' if report.n_passes > 1 else ' (no test-time shifts)'}"


def _figures(report: Report) -> Iterator[str]:
    yield "            value   95% interval"
    figures = zip(("accuracy", "mAP", "mAUC", "d'"), report.summary, report.interval_95, strict=True)
    for name, value, interval in figures:
        if value is not None and interval is not None:
            yield f"{name:<9} {fixed(value, 4, 7)}   {_bounds(interval)}"


def _bounds(interval: Interval) -> str:
    return f"{fixed(interval.low, 4)} to {fixed(interval.high, 4)}"


def _hardest_classes(report: Report) -> Iterator[str]:
    yield "hardest classes"
    yield "     AP     AUC  clips  class"
    heard = [entry for entry in report.per_class if entry.n_positives]
    for entry in sorted(heard, key=lambda entry: entry.average_precision)[:_N_SHOWN]:
        numbers = (
            f"{fixed(entry.average_precision, 4, 7)} {fixed(entry.roc_auc, 4, 7)} {entry.n_positives:6d}"
        )
        yield f"{numbers}  {entry.label}"


def _most_frequent_confusions(report: Report) -> Iterator[str]:
    yield "most frequent confusions"
    yield "  clips  true -> heard"
    for confusion in report.confusions[:_N_SHOWN]:
        yield f"{confusion.n_clips:7d}  {confusion.true} -> {confusion.heard}"


def _worst_clips(report: Report) -> Iterator[str]:
    yield "worst clips (by cross-entropy)"
    for worst in report.worst_clips[:_N_SHOWN]:
        clip = worst.clip
        heard = ", ".join(f"{tag.label} {tag.probability:.2f}" for tag in worst.tags)
        true = ", ".join(clip.labels) or "(none)"
        yield f"{worst.cross_entropy:7.2f}  {_place(clip)}: {true} -> {heard}"


def _events(detection: DetectionReport) -> Iterator[str]:
    without = f" ({detection.n_without} more clips have none and do not count)" if detection.n_without else ""
    yield f"events, in the clips with strong labels{without}"
    yield f"rules       {detection.rules.source}"
    yield from describe_events(detection.events)
    if detection.worst_clips:
        yield from ["", *_worst_detections(detection)]


def _worst_detections(detection: DetectionReport) -> Iterator[str]:
    yield "worst clips (by intersections)"
    yield " missed   false  clip"
    for worst in detection.worst_clips[:_N_SHOWN]:
        yield f"{worst.n_missed:7d} {worst.n_false:7d}  {_place(worst.clip)}"


def _place(clip: Clip) -> str:
    return f"{clip.title}, from {clip.start_s:g} s" if clip.start_s else clip.title
