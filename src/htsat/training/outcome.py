"""What a finished run has come to: its model, heard on the clips that were kept from it.

The clips are heard as `htsat evaluate` hears them, and with the same numbers; the evaluations within a run
are quicker and hear only the middle of longer clips.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from htsat.data.clip_tables import write_clips
from htsat.data.manifest import Manifest
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import evaluate
from htsat.evaluation.report import write_report
from htsat.loading import load
from htsat.processes import Processes
from htsat.training.experiment import Device
from htsat.training.run import MODEL_NAME
from htsat.training.split import Split


class EventFigures(NamedTuple):
    """How well a model detects, by the rules that it carries; means over the classes that have events."""

    n_clips: int
    collar_f1: float
    intersection_f1: float
    psds1: float
    psds2: float


class Figures(NamedTuple):
    """How well a model hears; no accuracy for models of several classes at once.

    The mAP is None where no clip has any class; `events` is None where clips have no strong labels, or these
    tell of no event.
    """

    n_clips: int
    accuracy: float | None
    mean_average_precision: float | None
    events: EventFigures | None = None

    def document(self) -> dict[str, Any]:
        """As it stands in JSON."""
        return {**self._asdict(), "events": self.events and self.events._asdict()}


class Outcome(NamedTuple):
    """The model of a run, and how well it hears the held-out clips and those of the test fold, if any."""

    model: Path
    held_out: Figures | None
    test: Figures | None


def measure(folder: Path, split: Split, processes: Processes, device: Device) -> Outcome:
    """Measure the model of a finished run, if that has not been done, and tell what came out.

    The run's folder gets `held_out.json` and `test.json`, the reports, and beside each the manifest of its
    clips (`.tsv`), on which `htsat evaluate` gives the same numbers.
    """
    parts = {"held_out": split.valid, "test": split.test}
    for name, manifest in parts.items():
        report = folder / f"{name}.json"
        if manifest is not None and not report.exists():
            _write(report, manifest, folder / MODEL_NAME, processes, device)
    read = {name: _figures(folder / f"{name}.json") if parts[name] else None for name in parts}
    return Outcome(folder / MODEL_NAME, **read)


def _write(report: Path, manifest: Manifest, model: Path, processes: Processes, device: Device) -> None:
    ensemble = Ensemble([load(model, device=device)])
    clips = report.with_suffix(".tsv")
    measured = evaluate(ensemble, manifest, clips.name, processes=processes)
    if processes.is_first:
        write_clips(clips, manifest.clips)
        write_report(report, measured)
    processes.gather([])  # nobody reads before it is written


def _figures(report: Path) -> Figures:
    content = json.loads(report.read_text(encoding="utf-8", errors="surrogateescape"))
    return Figures(content["n_clips"], content.get("accuracy"), content["mAP"], _event_figures(content))


def _event_figures(content: dict[str, Any]) -> EventFigures | None:
    """A report has PSDS where there are events to detect."""
    if "psds1" not in content:
        return None
    collar, intersection = (content[name]["macro"] for name in ("collar_f1", "intersection_f1"))
    n_clips = content["events"]["n_recordings"]
    return EventFigures(n_clips, collar, intersection, content["psds1"], content["psds2"])
