"""What detections with some rules are worth, in every metric of the field.

R recordings, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htsat.evaluation.event_curves import event_curves
from htsat.evaluation.frame_scores import ScoredClips
from htsat.evaluation.threshold_search import CountEvents
from htsat.metrics.collar_based import Collar, count_near_events
from htsat.metrics.counting import Counts
from htsat.metrics.event_table import EventTable
from htsat.metrics.intersection_based import Tolerances, count_intersecting_events
from htsat.metrics.psds import PSDS1, PSDS2, Psds, ScoreSource, psds
from htsat.metrics.segment_based import count_segments
from htsat.recognition.events import find_events
from htsat.rules import EventRules


def _collar(reference: EventTable, estimated: EventTable, n_classes: int) -> Counts:
    return count_near_events(reference, estimated, n_classes, Collar())


def _intersection(reference: EventTable, estimated: EventTable, n_classes: int) -> Counts:
    return count_intersecting_events(reference, estimated, n_classes, Tolerances())


def _segment(reference: EventTable, estimated: EventTable, n_classes: int) -> Counts:
    return count_segments(reference, estimated, n_classes, 1.0)


F_SCORES: dict[str, CountEvents] = {
    "collar": _collar,
    "intersection": _intersection,
    "segment": _segment,
}
"""F scores with the usual parameters: collars of 0.2 s, intersections by half, segments of 1 s."""

PSDS = {"psds1": PSDS1, "psds2": PSDS2}


@dataclass(frozen=True, eq=False)
class Figures:
    """Counts at the thresholds of the rules, and PSDS over all thresholds."""

    counts: dict[str, Counts]
    psds: dict[str, Psds]

    def macro(self) -> dict[str, float]:
        """Means over the classes that have true events, by metric."""
        f_scores = {name: counts.macro_f() for name, counts in self.counts.items()}
        return {**f_scores, **{name: score.value for name, score in self.psds.items()}}

    def per_class(self) -> dict[str, NDArray[np.float64]]:
        """Values of the classes by metric, `(K,)` each; NaN without true events."""
        values = {}
        for name, counts in self.counts.items():
            values[name] = np.where(counts.has_reference, counts.f_scores(), np.nan)
        return {**values, **{name: score.class_values for name, score in self.psds.items()}}


def measure(clips: ScoredClips, rules: Sequence[EventRules]) -> Figures:
    """Detect with these rules, one for each recording, and compare with the truth."""
    names = [str(number) for number in range(len(clips))]
    found = [find_events(scores, rule) for scores, rule in zip(clips.scores, rules, strict=True)]
    estimated = EventTable.of(dict(zip(names, found, strict=True)), names, clips.labels)
    curves = [event_curves(scores, rule) for scores, rule in zip(clips.scores, rules, strict=True)]
    return Figures(
        {name: count(clips.reference, estimated, len(clips.labels)) for name, count in F_SCORES.items()},
        {name: class_areas(clips, curves, name) for name in PSDS},
    )


def class_areas(clips: ScoredClips, curves: ScoreSource, name: str) -> Psds:
    """PSDS of the events at all thresholds."""
    return psds(curves, clips.reference, clips.durations_s, PSDS[name])


def measure_tags(clips: ScoredClips, rules: Sequence[EventRules]) -> Figures:
    """Tag the recordings as a whole: a class is heard where its probability is above the threshold."""
    chances = np.stack([scores.clip().probabilities for scores in clips.scores])
    heard = chances > np.array([rule.thresholds for rule in rules], np.float32)
    true = clips.targets > 0
    outcomes = (heard & true, heard & ~true, ~heard & true)
    return Figures({"tags": Counts(*(outcome.sum(axis=0) for outcome in outcomes))}, {})
