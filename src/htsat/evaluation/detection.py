"""What a model detects in clips with strong labels, against these: the events of `htsat evaluate`.

R clips with strong labels, T frames, K classes that count.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from htsat.data.events import EventFiles, Events
from htsat.data.manifest import Clip, Manifest
from htsat.errors import DataError, did_you_mean
from htsat.evaluation.curve_store import StoredCurves
from htsat.evaluation.event_based import EventList, compare_events
from htsat.evaluation.event_curves import EventCurves, event_curves
from htsat.evaluation.event_report import EventReport, EventSettings, event_json
from htsat.evaluation.rule_sets import NamedRules, rules_document
from htsat.labels import LabelSet
from htsat.metrics.counting import Numbers
from htsat.metrics.event_table import EventTable
from htsat.metrics.intersection_based import count_intersecting_events
from htsat.recognition.events import find_events
from htsat.rules import EventRules
from htsat.scores import FrameScores

N_WORST_CLIPS = 20

_FIGURES = ("intersection_f1", "collar_f1", "segment_f1", "psds1", "psds2", "psds1_details", "psds2_details")


class Detected(NamedTuple):
    """The events in a clip, and the scores `(T, K)` whose runs are events at any threshold."""

    events: Events
    curves: EventCurves


class StoredDetection(NamedTuple):
    """The same, with the scores in a store."""

    events: Events
    curves: StoredCurves


class DetectedClip(NamedTuple):
    """A clip with what is true of it and what was detected; `name` is the only one of its kind."""

    name: str
    clip: Clip
    truth: Events
    detected: StoredDetection


class WorstDetections(NamedTuple):
    """A clip in which events are missed or false, by their intersections."""

    clip: Clip
    truth: Events
    heard: Events
    n_missed: int
    n_false: int


@dataclass(frozen=True, eq=False)
class DetectionReport:
    """Detected against true events.

    - `rules`: those that made events, for the classes `rule_labels`, which may be more than those that count.
    - `n_without`: clips that could be heard and have no strong labels; they do not count here.
    - `worst_clips`: those with most errors first, at most 20.
    """

    events: EventReport
    rules: NamedRules
    rule_labels: LabelSet
    n_without: int
    worst_clips: tuple[WorstDetections, ...]


def read_truth(manifest: Manifest) -> Callable[[Clip], Events]:
    """What is true of the clips with strong labels.

    Raises:
        DataError: when these cannot be read, or name a class that the manifest does not have.
    """
    strong = [clip for clip in manifest.clips if clip.events is not None]
    files = EventFiles(strong)
    for clip in strong:
        for event in files.of(clip):
            if event.label not in manifest.labels.names:
                nearest = did_you_mean(event.label, manifest.labels)
                raise DataError(f"{clip.events}: unknown class {event.label!r} in {clip.title}{nearest}")
    return files.of


def detect(scores: FrameScores, rules: EventRules, labels: LabelSet) -> Detected:
    """Find the events of some of the classes of a model."""
    events = find_events(scores, rules)
    curves = event_curves(scores, rules)
    places = [scores.labels.index(label) for label in labels]
    counting = set(labels)
    return Detected(
        tuple(event for event in events if event.label in counting),
        EventCurves(curves.probabilities[:, places], curves.grid),
    )


def compare_detections(
    clips: Sequence[DetectedClip], labels: LabelSet, data: str, models: str
) -> EventReport:
    """Every metric of events, as `htsat evaluate-events` counts them; PSDS where anything is true.

    The scores of one clip at a time are in memory.
    """
    by_name = sorted(clips, key=lambda clip: clip.name)
    truth = EventList(data, {clip.name: clip.truth for clip in by_name})
    heard = EventList(models, {clip.name: clip.detected.events for clip in by_name})
    durations_s = {clip.name: clip.detected.curves.duration_s for clip in by_name}
    scores = _Scores(tuple(by_name)) if any(clip.truth for clip in clips) else None
    return compare_events(truth, heard, durations_s, labels, EventSettings(), scores)


@dataclass(frozen=True)
class _Scores:
    """The scores of clips, read one at a time."""

    clips: tuple[DetectedClip, ...]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> EventCurves:
        return self.clips[index].detected.curves.read()


def worst_clips(clips: Sequence[DetectedClip], labels: LabelSet) -> tuple[WorstDetections, ...]:
    """Clips by the number of events that are missed or false."""
    truth = _in_cells([clip.truth for clip in clips], labels)
    heard = _in_cells([clip.detected.events for clip in clips], labels)
    n_cells = len(clips) * len(labels)
    counts = count_intersecting_events(truth.merged(), heard, n_cells, EventSettings().tolerances)
    n_missed, n_false = (
        _of_clips(numbers, len(clips)) for numbers in (counts.false_negatives, counts.false_positives)
    )
    order = np.argsort(-(n_missed + n_false), kind="stable")[:N_WORST_CLIPS]
    return tuple(
        WorstDetections(
            clips[index].clip,
            clips[index].truth,
            clips[index].detected.events,
            int(n_missed[index]),
            int(n_false[index]),
        )
        for index in order
        if n_missed[index] + n_false[index]
    )


def _in_cells(events: Iterable[Events], labels: LabelSet) -> EventTable:
    """Events with a number for each class of each clip in place of the class, as if of one recording."""
    of_clips = {str(number): own for number, own in enumerate(events)}
    table = EventTable.of(of_clips, list(of_clips), labels)
    cells = table.recordings * len(labels) + table.classes
    return EventTable(np.zeros_like(cells), cells, table.onsets_s, table.offsets_s)


def _of_clips(numbers: Numbers, n_clips: int) -> Numbers:
    """Sums over the classes of each clip."""
    sums: Numbers = numbers.reshape(n_clips, -1).sum(axis=1)
    return sums


def detection_document(report: DetectionReport) -> dict[str, object]:
    """What is written: the figures as `htsat evaluate-events` writes them, and all else under `events`."""
    document = json.loads(event_json(report.events))
    figures = {name: document.pop(name) for name in _FIGURES if name in document}
    events = {
        **document,
        "n_clips_without_strong_labels": report.n_without,
        "rules_from": report.rules.source,
        "rules": rules_document(report.rules.rules, report.rule_labels),
        "worst_clips": [_worst_fields(worst) for worst in report.worst_clips],
    }
    return {**figures, "events": events}


def _worst_fields(worst: WorstDetections) -> dict[str, object]:
    clip = worst.clip
    return {
        "file": clip.title,
        "start": clip.start_s,
        "duration": clip.duration_s,
        "n_missed": worst.n_missed,
        "n_false": worst.n_false,
    }
