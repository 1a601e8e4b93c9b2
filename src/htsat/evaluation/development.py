"""Rules chosen on a development part of the data, for models that are then measured on another part.

R clips, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import numpy as np

from htsat.data.dataset import BrokenClip
from htsat.data.events import Events
from htsat.data.manifest import Clip, Manifest
from htsat.data.timeline import target_of
from htsat.errors import AudioError, ConfigError, DataError
from htsat.evaluation.detection import read_truth
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import Progress
from htsat.evaluation.event_curves import event_curves
from htsat.evaluation.frame_scores import ScoredClips
from htsat.evaluation.measures import F_SCORES
from htsat.evaluation.rule_search import Objective
from htsat.evaluation.rule_sets import NamedRules
from htsat.evaluation.strips import Strip
from htsat.evaluation.threshold_search import best_thresholds
from htsat.evaluation.tuning import MIN_EVENTS, Kind, tune
from htsat.metrics.event_table import EventTable
from htsat.processes import ALONE, Processes
from htsat.recognition.inference import NonFiniteScoresError
from htsat.rules import EventRules
from htsat.scores import FrameScores

What = Literal["rules", "thresholds"]
"""All that `htsat tune` chooses, or thresholds only, while the other rules stay."""


@dataclass(frozen=True)
class Choice:
    """What is chosen, by which figure. Classes with fewer than five events keep the rules `present`."""

    present: NamedRules
    what: What = "rules"
    objective: Objective = "collar"

    def __post_init__(self) -> None:
        if self.what == "thresholds" and self.objective not in F_SCORES:
            raise ConfigError(
                f"thresholds alone are chosen by {', '.join(F_SCORES)}: {self.objective} has none"
            )

    def of(self, clips: ScoredClips) -> EventRules:
        """The rules that are best on clips."""
        rules = self.present.rules
        if self.what == "rules":
            return tune(clips, rules, MIN_EVENTS, get_args(Kind), self.objective).rules
        curves = [event_curves(scores, rules) for scores in clips.scores]
        best = best_thresholds(Strip.of(curves), clips.reference, F_SCORES[self.objective]).thresholds
        chosen = np.where(clips.n_events >= MIN_EVENTS, best, rules.thresholds)
        return replace(rules, thresholds=tuple(chosen.tolist()))


class Chosen(NamedTuple):
    """The rules, and the clips that could not be heard for them."""

    rules: NamedRules
    broken: tuple[BrokenClip, ...]


def choose_rules(
    ensemble: Ensemble,
    manifest: Manifest,
    data: str,
    choice: Choice,
    progress: Progress = iter,
    processes: Processes = ALONE,
) -> Chosen:
    """Choose rules on the clips of a manifest that have strong labels; `data` says in words what they are.

    All processes hear their share, and choose the same.

    Raises:
        DataError: when labels do not fit the models, no clip has strong labels or can be heard, or no class
            has events enough.
        HtsatError: when another process has failed.
    """
    ensemble.check_labels(manifest.labels)
    strong = [clip for clip in manifest.clips if clip.events is not None]
    if not strong:
        raise DataError(f"{data}: no clip has strong labels to choose rules by")
    truth_of = read_truth(manifest)
    share = [_scores(ensemble, clip) for clip in progress(processes.share(strong))]
    answers = list(zip(strong, processes.gather(share), strict=True))
    broken = tuple(BrokenClip(clip, answer) for clip, answer in answers if isinstance(answer, str))
    heard = [(clip, answer) for clip, answer in answers if isinstance(answer, FrameScores)]
    if not heard:
        raise DataError(f"none of the {len(broken)} clips can be heard; the first: {broken[0].reason}")
    clips = [clip for clip, _ in heard]
    scored = _scored(clips, [scores for _, scores in heard], [truth_of(clip) for clip in clips])
    if scored.n_events.max() < MIN_EVENTS:
        raise DataError(f"{data}: no class has {MIN_EVENTS} events; the most has {scored.n_events.max()}")
    source = f"{choice.what} chosen by {choice.objective} on {len(clips)} clips of {data}"
    if choice.what == "thresholds":
        source += f", else {choice.present.source}"
    return Chosen(NamedRules(source, choice.of(scored)), broken)


def _scores(ensemble: Ensemble, clip: Clip) -> FrameScores | str:
    """The scores of a clip, or why there are none."""
    try:
        return ensemble.hear(clip).scores
    except (AudioError, NonFiniteScoresError) as error:
        return str(error)


def _scored(clips: Sequence[Clip], scores: Sequence[FrameScores], truth: Sequence[Events]) -> ScoredClips:
    labels = scores[0].labels
    names = [str(number) for number in range(len(clips))]
    reference = EventTable.of(dict(zip(names, truth, strict=True)), names, labels).merged()
    targets = np.stack([target_of(clip.labels, labels) for clip in clips])
    targets[reference.recordings, reference.classes] = 1.0
    return ScoredClips(tuple(clips), tuple(scores), reference, targets)
