"""Training runs and data sets in words, for `htsat info`."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from htsat.audio import SUFFIXES
from htsat.checkpoints.resolve import MODEL_NAME
from htsat.cli.progress import duration, fixed
from htsat.data.manifest import Clip, read_data
from htsat.training.history import EvaluationPoint, History
from htsat.training.log import LOG_NAME

Facts = list[tuple[str, str]]

_N_NAMES = 5
_N_FOLDS = 12


def run_facts(run: History) -> Facts:
    """Where a run stands, what it does differently, and how well it hears."""
    left_out = f", {run.n_broken} left out" if run.n_broken else ""
    return [
        ("run", str(run.folder)),
        ("state", _state(run)),
        *(("pace", f"{point.clips_per_s:.4g} clips/s") for point in run.steps[-1:]),
        ("last written", _last_written(run.folder / LOG_NAME)),
        ("clips", f"{run.n_train_clips} to learn from, {run.n_valid_clips} held out{left_out}"),
        *_model_classes(run.folder / MODEL_NAME),
        *(("settings", f"{name} {value}") for name, value in _changed(run.settings)),
        *(("last", _scores(point)) for point in run.evaluations[-1:]),
        *(("best", _scores(point)) for point in (run.best,) if point is not None),
        *_measured(run.folder),
        *(("files", line) for line in _files(run.folder)),
    ]


def data_facts(path: Path) -> Facts:
    """What recordings there are, and how they are labelled."""
    manifest = read_data(path, SUFFIXES)
    clips = manifest.clips
    return [
        ("data", str(path)),
        ("clips", f"{len(clips)}{_hours(clips)}"),
        ("classes", _names(manifest.labels.names)),
        ("labels", _labels_per_clip(clips)),
        *_folds(clips),
        *_groups(clips),
    ]


def _state(run: History) -> str:
    if run.epoch >= run.n_epochs:
        return f"finished: {run.n_epochs} epochs"
    return f"epoch {run.epoch:.4g} of {run.n_epochs}"


def _last_written(log: Path) -> str:
    """A run that goes on writes every few steps."""
    written_s = log.stat().st_mtime
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(written_s))
    return f"{when} ({duration(max(0.0, time.time() - written_s))} ago)"


def _model_classes(model: Path) -> Facts:
    if not model.is_file():
        return []
    from htsat.checkpoints.file import load_model

    card = load_model(model).card
    return [("task", card.task), ("classes", _names(card.labels.names))]


def _changed(settings: Mapping[str, object]) -> list[tuple[str, object]]:
    """Settings that are not the defaults, with their dotted names."""
    from htsat.training.experiment import Experiment

    defaults = _flat(json.loads(json.dumps(dataclasses.asdict(Experiment()))))
    return [(name, value) for name, value in _flat(settings).items() if defaults.get(name) != value]


def _flat(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _scores(point: EvaluationPoint) -> str:
    accuracy = "" if point.accuracy is None else f"accuracy {point.accuracy:.4f}, "
    precision = fixed(point.mean_average_precision, 4)
    return f"{accuracy}mAP {precision}, loss {point.loss:.4f} at epoch {point.epoch:g}"


def _measured(folder: Path) -> Facts:
    """What the reports of a finished run say: its model heard as `htsat evaluate` hears."""
    reports = {name: folder / f"{name}.json" for name in ("held_out", "test")}
    measured = []
    for name, path in reports.items():
        if path.is_file():
            report = json.loads(path.read_text(encoding="utf-8"))
            accuracy = f"accuracy {report['accuracy']:.4f}, " if "accuracy" in report else ""
            figures = f"{accuracy}mAP {fixed(report['mAP'], 4)} on {report['n_clips']} clips"
            measured.append((name.replace("_", " "), figures))
    return measured


def _files(folder: Path) -> list[str]:
    """All that lies in the run's folder, the largest first."""
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    ordered = sorted(sizes, key=lambda path: (-sizes[path], path))
    return [f"{sizes[path] / 1e6:9.3f} MB  {path.relative_to(folder)}" for path in ordered]


def _names(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _N_NAMES else ""
    return f"{len(names)} ({', '.join(names[:_N_NAMES])}{more})"


def _hours(clips: Sequence[Clip]) -> str:
    """How long they are, where the manifest says so."""
    lengths_s = [clip.duration_s for clip in clips if clip.duration_s is not None]
    return f", {sum(lengths_s) / 3600:.2f} hours" if len(lengths_s) == len(clips) else ""


def _labels_per_clip(clips: Sequence[Clip]) -> str:
    counts = Counter(len(clip.labels) for clip in clips)
    return ", ".join(f"{n_clips} clips with {n_labels}" for n_labels, n_clips in sorted(counts.items()))


def _folds(clips: Sequence[Clip]) -> Facts:
    counts = Counter(clip.fold for clip in clips if clip.fold is not None)
    shown = ", ".join(f"{fold} ({n_clips} clips)" for fold, n_clips in sorted(counts.items())[:_N_FOLDS])
    return [("folds", shown + (", ..." if len(counts) > _N_FOLDS else ""))] if counts else []


def _groups(clips: Sequence[Clip]) -> Facts:
    groups = {clip.group for clip in clips if clip.group}
    return [("groups", str(len(groups)))] if groups else []
