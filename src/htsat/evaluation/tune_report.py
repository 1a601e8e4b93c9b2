"""What tuning found, and how it is written as JSON.

K classes.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htsat.data.dataset import BrokenClip
from htsat.evaluation.calibrating import Calibration
from htsat.evaluation.measures import Figures
from htsat.files import write_text
from htsat.labels import LabelSet
from htsat.rules import RULES_ON_FRAMES, EventRules


@dataclass(frozen=True, eq=False)
class TuneReport:
    """Rules before and after, and what they are worth on the same recordings.

    `n_events` `(K,)` are true events, or recordings with a class where labels are weak. `is_tuned` `(K,)` are
    the classes that had enough of them. `across` is measured with rules chosen on the other half of the
    recordings. `n_weak` recordings had no strong labels and were left out.
    """

    model: str
    data: str
    objective: str
    labels: LabelSet
    n_recordings: int
    n_weak: int
    duration_s: float
    n_events: NDArray[np.intp]
    is_tuned: NDArray[np.bool_]
    rules_before: EventRules
    rules_after: EventRules
    before: Figures
    after: Figures
    across: Figures | None
    calibration: Calibration | None
    broken: tuple[BrokenClip, ...]

    @property
    def stages(self) -> dict[str, Figures]:
        """The figures, by when they hold."""
        stages = {"before": self.before, "after": self.after}
        return stages if self.across is None else {**stages, "other_half": self.across}


def rules_of_class(rules: EventRules, index: int) -> dict[str, float]:
    """The rules of one class by their names."""
    names = [field.name for field in dataclasses.fields(rules) if field.name not in ("thresholds", "boxes")]
    own = {"threshold": rules.thresholds[index]}
    own |= {name: float(rules.per_class(name)[index]) for name in names}
    if rules.boxes is None:
        return own
    own = {name: value for name, value in own.items() if name not in RULES_ON_FRAMES}
    return own | rules.boxes.of_classes(rules.n_classes)[index]._asdict()


def write_tune_report(path: Path, report: TuneReport) -> None:
    """Write a report as JSON; the file is whole or not there."""
    write_text(path, tune_json(report))


def tune_json(report: TuneReport) -> str:
    """The report as a JSON document; null is what does not exist."""
    document = {
        "model": report.model,
        "data": report.data,
        "objective": report.objective,
        "n_recordings": report.n_recordings,
        "n_weak_left_out": report.n_weak,
        "duration_s": report.duration_s,
        "n_failed": len(report.broken),
        "macro": {stage: _finite(figures.macro()) for stage, figures in report.stages.items()},
        "per_class": {label: _class(report, index) for index, label in enumerate(report.labels)},
        "calibration": None if report.calibration is None else _calibration(report.calibration),
        "failed": [{"file": broken.clip.title, "reason": broken.reason} for broken in report.broken],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _class(report: TuneReport, index: int) -> dict[str, object]:
    return {
        "n_events": int(report.n_events[index]),
        "is_tuned": bool(report.is_tuned[index]),
        "rules_before": rules_of_class(report.rules_before, index),
        "rules": rules_of_class(report.rules_after, index),
        **{
            stage: _finite({name: values[index] for name, values in figures.per_class().items()})
            for stage, figures in report.stages.items()
        },
    }


def _calibration(calibration: Calibration) -> dict[str, object]:
    stages = {"before": calibration.before, "after": calibration.after}
    return {
        stage: _finite(
            {
                "expected_calibration_error": of.equal_counts.expected_calibration_error,
                "brier": of.equal_counts.brier.score,
            }
        )
        for stage, of in stages.items()
    }


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}
