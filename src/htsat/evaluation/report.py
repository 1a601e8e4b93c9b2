"""What an evaluation found, and how it is written: all figures with what they were counted on."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from htsat.data.dataset import BrokenClip
from htsat.data.manifest import Clip
from htsat.evaluation.detection import DetectionReport, detection_document
from htsat.files import write_text
from htsat.metrics.summary import Interval, Summary
from htsat.scores import Tag, Task


class ClassReport(NamedTuple):
    """How well one class is heard.

    NaN where a metric does not exist; recall and precision (of the class with the highest probability)
    are None for multi-label models.
    """

    label: str
    n_positives: int
    average_precision: float
    roc_auc: float
    recall: float | None
    precision: float | None


class Confusion(NamedTuple):
    """So many clips of one class in which another was heard."""

    true: str
    heard: str
    n_clips: int


class WorstClip(NamedTuple):
    """A clip whose labels surprise the model: the most probable classes, as many as it has labels."""

    clip: Clip
    tags: tuple[Tag, ...]
    cross_entropy: float


class Bootstrap(NamedTuple):
    """How the intervals were made."""

    n_resamples: int
    seed: int


@dataclass(frozen=True)
class Report:
    """The result of an evaluation.

    - `data`: what the clips are, in words; `clip_list_sha256`: which they were, whatever folder they were in.
    - `n_clips`: clips that could be heard and on which everything is counted; the others are `broken`.
    - `n_passes`: test-time passes of every model.
    - `confusions`: the most frequent first; empty for multi-label models.
    - `detection`: events against strong labels, None if no clip has any.
    - `class_map`: what put the models' classes together, in words.
    """

    models: tuple[str, ...]
    data: str
    task: Task
    n_clips: int
    clip_list_sha256: str
    n_passes: int
    summary: Summary[float]
    interval_95: Summary[Interval]
    bootstrap: Bootstrap
    per_class: tuple[ClassReport, ...]
    confusions: tuple[Confusion, ...]
    worst_clips: tuple[WorstClip, ...]
    broken: tuple[BrokenClip, ...]
    detection: DetectionReport | None = None
    class_map: str | None = None

    @property
    def title(self) -> str:
        """Which models, by the end of their paths, on what."""
        names = ["/".join(PurePath(model.removesuffix(".safetensors")).parts[-2:]) for model in self.models]
        return f"{' + '.join(names)} on {self.data}"

    @property
    def n_classes_without_positives(self) -> int:
        """Classes that no clip has, which the means leave out."""
        return sum(not entry.n_positives for entry in self.per_class)


def write_report(path: Path, report: Report) -> None:
    """Write a report as JSON; the file is whole or not there."""
    write_text(path, to_json(report))


def to_json(report: Report) -> str:
    """The report as a JSON document; null is what does not exist or is infinite."""
    document = {
        "models": report.models,
        "data": report.data,
        "task": report.task,
        "n_clips": report.n_clips,
        "clip_list_sha256": report.clip_list_sha256,
        "n_failed": len(report.broken),
        "n_classes": len(report.per_class),
        "n_classes_without_positives": report.n_classes_without_positives,
        "tta": report.n_passes,
        "class_map": report.class_map,
        **_figures(report.summary),
        "interval_95": _figures(report.interval_95),
        "bootstrap": report.bootstrap._asdict(),
        "per_class": {entry.label: _class_fields(entry) for entry in report.per_class},
        **({} if report.detection is None else detection_document(report.detection)),
        "confusions": [confusion._asdict() for confusion in report.confusions],
        "worst_clips": [_worst_fields(worst) for worst in report.worst_clips],
        "failed": [_place(broken.clip) | {"reason": broken.reason} for broken in report.broken],
    }
    return json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _figures(summary: Summary[float] | Summary[Interval]) -> dict[str, object]:
    accuracy: dict[str, object] = {} if summary.accuracy is None else {"accuracy": summary.accuracy}
    return accuracy | {
        "mAP": summary.mean_average_precision,
        "mAUC": summary.mean_roc_auc,
        "d_prime": summary.d_prime,
    }


def _class_fields(entry: ClassReport) -> dict[str, object]:
    fields = entry._asdict()
    del fields["label"]
    return fields


def _worst_fields(worst: WorstClip) -> dict[str, object]:
    return _place(worst.clip) | {
        "labels": worst.clip.labels,
        "heard": [tag._asdict() for tag in worst.tags],
        "cross_entropy": worst.cross_entropy,
    }


def _place(clip: Clip) -> dict[str, object]:
    return {"file": clip.title, "start": clip.start_s, "duration": clip.duration_s}


def _finite(value: object) -> object:
    """JSON has no numbers that are not finite; tuples become lists."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
