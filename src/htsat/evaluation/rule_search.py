"""The best rules of every class, one rule varied after the other, with the best thresholds of each variant.

Classes do not depend on one another: what one is worth is a matter of its own detections. So the classes of a
block are tried together, and each only with what it has not been tried with.

K classes, N frames of the axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from htsat.evaluation.event_curves import EventCurves
from htsat.evaluation.frame_scores import ScoredClips
from htsat.evaluation.measures import F_SCORES, PSDS, class_areas
from htsat.evaluation.strip_curves import BoxCurves, ClassCurves, FrameCurves
from htsat.evaluation.strips import Layout, Strip, class_blocks
from htsat.evaluation.threshold_search import Best, best_thresholds
from htsat.metrics.counting import Counts
from htsat.metrics.event_table import EventTable
from htsat.metrics.intersection_based import Tolerances, count_intersecting_events
from htsat.scores import FloatArray

Doubles = NDArray[np.float64]
Indices = NDArray[np.intp]

Objective = Literal["collar", "intersection", "segment", "psds1", "psds2"]

Varied = Mapping[str, Doubles]
"""Rules by name, `(K,)` each."""

Grid = Mapping[str, Sequence[float]]
"""Values to try by the name of the rule, the one to begin with first."""

_ROUNDS = 3
_LEAST_GAIN = 0.2
"""A rule is changed where that wins at least so much of one true event: less is chance."""


class BestRules(NamedTuple):
    """Rules, their thresholds `(K,)`, and what they are worth `(K,)`.

    Thresholds are those of the highest F score: that of the objective, or of the tolerances of PSDS.
    """

    rules: Varied
    thresholds: Doubles
    values: Doubles


def search_rules(
    clips: ScoredClips, grid: Grid, curves: type[FrameCurves] | type[BoxCurves], objective: Objective
) -> BestRules:
    """Vary one rule after the other until nothing gets better; every class must have true events."""
    longest_s = max(value for name, values in grid.items() if name.endswith("_s") for value in values)
    layout = Layout.of([scores.grid for scores in clips.scores], longest_s, curves.N_SIDES)
    judge = _Judge(clips, layout, objective)
    blocks = []
    for classes in class_blocks(len(clips.labels), layout.n_frames):
        makers = [curves(clips.scores, layout, index) for index in classes.tolist()]
        blocks.append(_Search(judge, grid, classes, makers).run())
    rules = {name: np.concatenate([block.rules[name] for block in blocks]) for name in grid}
    thresholds, values = (np.concatenate(column) for column in list(zip(*blocks, strict=True))[1:])
    return BestRules(rules, thresholds, values)


@dataclass(frozen=True, eq=False)
class _Judge:
    """Says what curves are worth."""

    clips: ScoredClips
    layout: Layout
    objective: Objective

    def values(self, rows: FloatArray, classes: Indices, known: Doubles | None) -> Doubles:
        """For curves `(K, N)` of some classes, `(K,)`; where it is no more than `known`, it may be less."""
        if self.objective in PSDS:
            curves = _CurvesOf(rows, classes, self.layout, self.clips)
            return np.nan_to_num(class_areas(self.clips, curves, self.objective).class_values[classes])
        return self.thresholds(rows, classes, known).f_scores

    def thresholds(self, rows: FloatArray, classes: Indices, known: Doubles | None = None) -> Best:
        """The best thresholds of some classes."""
        own = self.clips.reference.where(np.isin(self.clips.reference.classes, classes))
        reference = replace(own, classes=np.searchsorted(classes, own.classes))
        return best_thresholds(Strip(rows, self.layout), reference, self._count, known)

    def _count(self, reference: EventTable, estimated: EventTable, n_classes: int) -> Counts:
        if self.objective in PSDS:
            shares = PSDS[self.objective]
            tolerances = Tolerances(shares.dtc, shares.gtc)
            return count_intersecting_events(reference, estimated, n_classes, tolerances)
        return F_SCORES[self.objective](reference, estimated, n_classes)


class _Search:
    """Varies the rules of a block of classes."""

    def __init__(self, judge: _Judge, grid: Grid, classes: Indices, makers: Sequence[ClassCurves]) -> None:
        self._judge, self._grid, self._classes, self._makers = judge, grid, classes, makers
        self._least_gains = _LEAST_GAIN / judge.clips.n_events[classes]
        self._rules = {name: np.full(len(classes), values[0]) for name, values in grid.items()}
        self._tried: list[set[tuple[float, ...]]] = [set() for _ in classes]
        everything = self._untried(self._rules)
        self._best = judge.values(self._rows(self._rules, everything), classes, None)

    def run(self) -> BestRules:
        for _ in range(_ROUNDS):
            # No list, because every value is tried with the best of those before it.
            if not sum(self._try(name, value) for name, values in self._grid.items() for value in values):
                break
        rows = self._rows(self._rules, np.arange(len(self._classes)))
        return BestRules(self._rules, self._judge.thresholds(rows, self._classes).thresholds, self._best)

    def _try(self, name: str, value: float) -> int:
        """Give all classes a value and leave it to those that it makes better; returns their number."""
        rules = {**self._rules, name: np.full(len(self._classes), value)}
        places = self._untried(rules)
        if not len(places):
            return 0
        before = self._best[places]
        values = self._judge.values(self._rows(rules, places), self._classes[places], before)
        is_better = values > before + self._least_gains[places]
        better = places[is_better]
        self._rules[name][better] = value
        self._best[better] = values[is_better]
        return len(better)

    def _untried(self, rules: Varied) -> Indices:
        """Of which classes it is not known that these rules are no better, in their order."""
        fresh = []
        for place, own in enumerate(zip(*(column.tolist() for column in rules.values()), strict=True)):
            if own not in self._tried[place]:
                self._tried[place].add(own)
                fresh.append(place)
        return np.array(fresh, np.intp)

    def _rows(self, rules: Varied, places: Indices) -> FloatArray:
        """The curves of some classes, `(K, N)`."""
        return np.stack(
            [
                self._makers[place].row({name: float(column[place]) for name, column in rules.items()})
                for place in places.tolist()
            ]
        )


@dataclass(frozen=True, eq=False)
class _CurvesOf:
    """Recordings with the curves of some classes, for a metric that asks for all: the others are silent."""

    rows: FloatArray
    classes: Indices
    layout: Layout
    clips: ScoredClips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> EventCurves:
        grid = self.clips.scores[index].grid
        curves = np.full((grid.n_frames, len(self.clips.labels)), -np.inf, np.float32)
        frames = slice(self.layout.starts[index], self.layout.stops[index])
        curves[:, self.classes] = self.rows[:, frames].T
        return EventCurves(curves, grid)
