"""PSDS, the polyphonic sound detection score, exact over all thresholds, in little memory.

Definition: Bilen et al., "A framework for the robust evaluation of sound event detection" (ICASSP 2020).
All thresholds at once: Ebbers et al., "Threshold independent evaluation of sound event detection scores"
(ICASSP 2022). Conventions: `detection_changes`.

Each class has its own threshold at every point of the curve. What is shared by all classes is what was done
to the scores before; `post_processing_independent_psds` frees that too.

R recordings, K classes, P points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htsat.errors import DataError
from htsat.metrics.event_table import EventTable
from htsat.metrics.psds_parameters import PSDS1, PSDS2, PsdsParameters
from htsat.metrics.roc import Roc, step_area
from htsat.metrics.threshold_sweep import ScoredRecording, ScoreSource, class_rocs

__all__ = [
    "PSDS1",
    "PSDS2",
    "Psds",
    "PsdsParameters",
    "ScoreSource",
    "ScoredRecording",
    "post_processing_independent_psds",
    "psds",
]

Doubles = NDArray[np.float64]

MAX_CHANGES = 2**25
"""Changes that are held at a time, of about 20 bytes each."""

_POINTS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Psds:
    """The score, with the curves it comes from.

    `class_values` `(K,)` are the areas below the curves of the classes, NaN for classes without true events,
    which have no curve and do not count. `effective_true_rates` `(P,)` hold from `false_rates` `(P,)`, in
    effective false positives per hour, up to the next.
    """

    value: float
    class_values: Doubles
    rocs: tuple[Roc | None, ...]
    false_rates: Doubles
    effective_true_rates: Doubles
    parameters: PsdsParameters

    @classmethod
    def of(cls, rocs: Sequence[Roc | None], parameters: PsdsParameters) -> Psds:
        """The score from the curves of the classes; at least one has a curve."""
        most = parameters.max_false_rate
        present = [roc for roc in rocs if roc is not None]
        false_rates = np.unique(np.concatenate([roc.false_rates for roc in present]))
        true_rates = _effective_true_rates(present, false_rates, parameters.alpha_st)
        value = step_area(false_rates, true_rates, most)
        areas = np.array([np.nan if roc is None else roc.area(most) for roc in rocs])
        return cls(value, areas, tuple(rocs), false_rates, true_rates, parameters)


def psds(
    scores: ScoreSource,
    reference: EventTable,
    durations_s: Doubles,
    parameters: PsdsParameters = PSDS1,
    *,
    max_changes: int = MAX_CHANGES,
) -> Psds:
    """The score of frame scores against true events.

    `reference` numbers recordings and classes as `scores` has them; `durations_s` is `(R,)`. When more
    than `max_changes` changes come together, some classes wait and all recordings are read once more.

    Raises:
        DataError: when scores, events and durations do not fit together, or events of a class overlap.
    """
    return Psds.of(class_rocs(scores, reference, durations_s, parameters, max_changes), parameters)


def post_processing_independent_psds(
    sources: Sequence[ScoreSource],
    reference: EventTable,
    durations_s: Doubles,
    parameters: PsdsParameters = PSDS1,
    *,
    max_changes: int = MAX_CHANGES,
) -> Psds:
    """piPSDS: each point of the curve of each class takes the best of several post-processings.

    Each source has the same recordings after another post-processing, for instance median filters of
    several lengths. See `psds`.
    """
    if not sources:
        raise DataError("no scores to compare")
    rocs = [class_rocs(scores, reference, durations_s, parameters, max_changes) for scores in sources]
    if len({len(classes) for classes in rocs}) > 1:
        raise DataError("score sources differ in their number of classes")
    best = [None if None in same else Roc.best_of(same) for same in zip(*rocs, strict=True)]
    return Psds.of(best, parameters)


def _effective_true_rates(rocs: Sequence[Roc], false_rates: Doubles, alpha_st: float) -> Doubles:
    """Mean over the classes less their weighted spread, never negative, at each rate of false positives."""
    parts = []
    for start in range(0, len(false_rates), _POINTS_AT_ONCE):
        at = false_rates[start : start + _POINTS_AT_ONCE]
        true_rates = np.stack([roc.at(at) for roc in rocs])
        parts.append(true_rates.mean(axis=0) - alpha_st * true_rates.std(axis=0))
    effective: Doubles = np.maximum(np.concatenate(parts), 0.0)
    return effective
