"""From a model and labelled recordings to rules and a report: what `htsat tune` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from htsat.data.manifest import Manifest
from htsat.errors import DataError
from htsat.evaluation.calibrating import calibrate, calibrated
from htsat.evaluation.evaluate import Progress
from htsat.evaluation.frame_scores import ScoredClips, score_clips
from htsat.evaluation.measures import Figures, measure, measure_tags
from htsat.evaluation.rule_search import Objective
from htsat.evaluation.tune_report import TuneReport
from htsat.evaluation.tuning import MIN_EVENTS, Kind, Tuned, tune, tune_halves, tune_tags
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules


@dataclass(frozen=True)
class TuneSettings:
    """What to choose by, and among what.

    - `kinds`: of rules; of several the better one is chosen.
    - `min_events`: classes with fewer true events keep their rules.
    - `calibrates`: whether probabilities are calibrated before.
    - `crosses`: whether the rules are measured on halves that they were not chosen on, too.
    """

    objective: Objective = "collar"
    kinds: tuple[Kind, ...] = ("frames", "boxes")
    min_events: int = MIN_EVENTS
    calibrates: bool = False
    crosses: bool = False


def tune_model(
    model: Recognizer, manifest: Manifest, data: str, settings: TuneSettings, progress: Progress = iter
) -> TuneReport:
    """Choose rules by strong labels; thresholds by the F score of tags where there are only weak ones.

    `data` says in words what the recordings are.

    Raises:
        ConfigError: when a multi-class model is to be calibrated.
        DataError: when labels do not fit the model, no clip can be heard, or no class has events enough.
    """
    description = model.description
    strong = tuple(clip for clip in manifest.clips if clip.events is not None)
    clips = score_clips(model, strong or manifest.clips, progress)
    work = _with_events(settings) if strong else _with_tags()
    n_events = work.n_events(clips)
    if n_events.max() < settings.min_events:
        raise DataError(f"no class has {settings.min_events} {work.counted}; the most has {n_events.max()}")
    has_fine_head = description.n_frames != description.n_coarse_frames
    calibration = calibrate(clips, has_fine_head=has_fine_head) if settings.calibrates else None
    final = clips if calibration is None else calibrated(clips, calibration)
    choose = partial(work.choose, present=description.rules)
    tuned = choose(final, min_events=settings.min_events)
    halved = partial(choose, min_events=(settings.min_events + 1) // 2)
    return TuneReport(
        model=description.name,
        data=data,
        objective=work.objective,
        labels=description.labels,
        n_recordings=len(clips),
        n_weak=len(manifest.clips) - len(strong) if strong else 0,
        duration_s=float(clips.durations_s.sum()),
        n_events=n_events,
        is_tuned=tuned.is_tuned,
        rules_before=description.rules,
        rules_after=tuned.rules,
        before=work.measure(clips, [description.rules] * len(clips)),
        after=work.measure(final, [tuned.rules] * len(clips)),
        across=work.measure(final, tune_halves(final, halved)) if settings.crosses else None,
        calibration=calibration,
        broken=clips.broken,
    )


class _Choose(Protocol):
    def __call__(self, clips: ScoredClips, present: EventRules, min_events: int) -> Tuned: ...


class _Work(NamedTuple):
    """How to tune with labels of one sort."""

    objective: str
    counted: str
    n_events: Callable[[ScoredClips], NDArray[np.intp]]
    choose: _Choose
    measure: Callable[[ScoredClips, Sequence[EventRules]], Figures]


def _with_events(settings: TuneSettings) -> _Work:
    choose = partial(tune, kinds=settings.kinds, objective=settings.objective)
    return _Work(settings.objective, "events", lambda clips: clips.n_events, choose, measure)


def _with_tags() -> _Work:
    return _Work("tags", "recordings", lambda clips: clips.n_tagged, tune_tags, measure_tags)
