"""Hear every clip of a manifest and count: what `htsat evaluate` does.

N clips, K classes.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from htsat.data.dataset import BrokenClip
from htsat.data.events import Events
from htsat.data.manifest import Clip, Manifest
from htsat.data.timeline import target_of
from htsat.errors import AudioError, DataError
from htsat.evaluation.answers import Answer, gather, keep
from htsat.evaluation.curve_store import CurveStore
from htsat.evaluation.detection import (
    DetectedClip,
    DetectionReport,
    StoredDetection,
    compare_detections,
    detect,
    read_truth,
    worst_clips,
)
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.report import Bootstrap, ClassReport, Confusion, Report, WorstClip
from htsat.evaluation.rule_sets import NamedRules
from htsat.labels import LabelSet
from htsat.metrics.clip_based import confusion_matrix, cross_entropy
from htsat.metrics.ranking import Doubles, RankMetrics
from htsat.metrics.summary import N_RESAMPLES, RankedClips
from htsat.processes import ALONE, Processes
from htsat.recognition.inference import NonFiniteScoresError
from htsat.scores import FloatArray, Tag, Task

N_WORST_CLIPS = 20
_SEED = 0

Progress = Callable[[Sequence[Clip]], Iterable[Clip]]
"""Passes clips on and tells how many there were."""


class HeardClips(NamedTuple):
    """Clips with what was heard in them, and those that could not be heard.

    Shape: `probabilities`, `targets` `(N, K)`. `detected` is None for clips without strong labels.
    """

    clips: tuple[Clip, ...]
    probabilities: Doubles
    targets: FloatArray
    detected: tuple[StoredDetection | None, ...]
    broken: tuple[BrokenClip, ...]


@dataclass(frozen=True)
class Listener:
    """Who hears clips, and by which rules the events are found of the classes that count.

    Raises:
        DataError: when the models do not have these classes.
        ConfigError: when there are no rules for clips with strong labels, see `Ensemble.own_rules`.
    """

    ensemble: Ensemble
    labels: LabelSet
    rules: NamedRules | None

    @classmethod
    def of(cls, ensemble: Ensemble, manifest: Manifest, rules: NamedRules | None = None) -> Listener:
        """For the clips of a manifest; without other rules the model's own."""
        ensemble.check_labels(manifest.labels)
        if rules is None and any(clip.events is not None for clip in manifest.clips):
            rules = ensemble.own_rules()
        return cls(ensemble, manifest.labels, rules)

    def answer(self, clip: Clip) -> Answer | str:
        """What is heard in a clip, or why nothing is."""
        try:
            if clip.events is None or self.rules is None:
                return Answer(self.ensemble.probabilities(clip), None)
            heard = self.ensemble.hear(clip)
        except (AudioError, NonFiniteScoresError) as error:
            return str(error)
        return Answer(heard.probabilities, detect(heard.scores, self.rules.rules, self.labels))


def evaluate(
    ensemble: Ensemble,
    manifest: Manifest,
    data: str,
    progress: Progress = iter,
    processes: Processes = ALONE,
    rules: NamedRules | None = None,
) -> Report:
    """Compare what models hear in the clips of a manifest with its labels.

    Args:
        ensemble: one model or several, and how often each hears a clip.
        manifest: the clips; its classes may stand in another order than those of the models. Events are
            compared where clips have strong labels, and only those of its classes.
        data: what the clips are, in words, for the report.
        progress: follows the clips that this process hears.
        processes: share the clips; all of them get the report, which is that of one process.
        rules: which make events of scores, in place of the model's own.

    Raises:
        DataError: when labels do not fit the models, before anything is heard; or when no clip can be heard.
        ConfigError: when there are no rules for events, see `Ensemble.own_rules`.
        HtsatError: when another process has failed.
    """
    listener = Listener.of(ensemble, manifest, rules)
    if ensemble.task == "multi_class":
        _check_one_label_each(manifest)
    truth_of = read_truth(manifest)
    with CurveStore() as store:
        heard = hear_clips(listener, manifest, store, progress, processes)
        report = make_report(ensemble, heard, data)
        return dataclasses.replace(report, detection=_detection(listener, heard, truth_of, report))


def hear_clips(
    listener: Listener,
    manifest: Manifest,
    store: CurveStore,
    progress: Progress = iter,
    processes: Processes = ALONE,
) -> HeardClips:
    """Hear every clip as `htsat tag` would; broken ones are listed, not fatal. Scores of frames are stored.

    Raises:
        DataError: when not a single clip can be heard.
        HtsatError: when another process has failed.
    """
    share = [keep(listener.answer(clip), store) for clip in progress(processes.share(manifest.clips))]
    gathered = gather(share, len(manifest.clips), store, processes)
    answers = list(zip(manifest.clips, gathered, strict=True))
    broken = tuple(BrokenClip(clip, answer) for clip, answer in answers if isinstance(answer, str))
    heard = [(clip, answer) for clip, answer in answers if not isinstance(answer, str)]
    if not heard:
        raise DataError(f"none of the {len(broken)} clips can be heard; the first: {broken[0].reason}")
    targets = [target_of(clip.labels, listener.ensemble.labels) for clip, _ in heard]
    return HeardClips(
        tuple(clip for clip, _ in heard),
        np.stack([answer.probabilities for _, answer in heard]),
        np.stack(targets),
        tuple(answer.detected for _, answer in heard),
        broken,
    )


def make_report(ensemble: Ensemble, heard: HeardClips, data: str) -> Report:
    """All figures of what was heard."""
    labels, task = ensemble.labels, ensemble.task
    ranked = RankedClips.of(heard.probabilities, heard.targets, task)
    return Report(
        models=ensemble.names,
        data=data,
        task=task,
        n_clips=len(heard.clips),
        clip_list_sha256=clip_list_sha256(heard.clips),
        n_passes=ensemble.n_passes,
        summary=ranked.summary(),
        interval_95=ranked.interval_95(_SEED),
        bootstrap=Bootstrap(N_RESAMPLES, _SEED),
        per_class=_per_class(heard, ranked.per_class(), labels, task),
        confusions=_confusions(heard, labels) if task == "multi_class" else (),
        worst_clips=_worst_clips(heard, labels, task),
        broken=heard.broken,
        class_map=ensemble.class_map,
    )


def _detection(
    listener: Listener, heard: HeardClips, truth_of: Callable[[Clip], Events], report: Report
) -> DetectionReport | None:
    """The events in clips with strong labels, if there are any."""
    clips = [
        DetectedClip(name, clip, truth_of(clip), detected)
        for name, clip, detected in zip(_names(heard.clips), heard.clips, heard.detected, strict=True)
        if detected is not None
    ]
    if not clips or listener.rules is None:
        return None
    return DetectionReport(
        compare_detections(clips, listener.labels, report.data, " + ".join(report.models)),
        listener.rules,
        listener.ensemble.labels,
        len(heard.clips) - len(clips),
        worst_clips(clips, listener.labels),
    )


def _names(clips: Iterable[Clip]) -> Iterator[str]:
    """Clips as their fingerprints call them; those of the same name are numbered from the second on."""
    seen: Counter[str] = Counter()
    for name in map(_fingerprint_line, clips):
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}\t#{seen[name]}"


def clip_list_sha256(clips: Iterable[Clip]) -> str:
    """Fingerprint of which clips, in any order: file names, with start and duration where they are given.

    Folders are left out, so that it is the same wherever the data set lies.
    """
    lines = sorted(_fingerprint_line(clip) for clip in clips)
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


def _fingerprint_line(clip: Clip) -> str:
    name = Path(clip.title).name
    if not clip.start_s and clip.duration_s is None:
        return name
    duration = "" if clip.duration_s is None else f"{clip.duration_s:.6f}"
    return f"{name}\t{clip.start_s:.6f}\t{duration}"


def _check_one_label_each(manifest: Manifest) -> None:
    for clip in manifest.clips:
        if len(clip.labels) != 1:
            raise DataError(
                f"{clip.path}: has {len(clip.labels)} labels; a multi-class model needs exactly one per clip"
            )


def _per_class(
    heard: HeardClips, metrics: RankMetrics, labels: LabelSet, task: Task
) -> tuple[ClassReport, ...]:
    n_positives = heard.targets.sum(axis=0)
    recall: list[float] | list[None] = [None] * len(labels)
    precision: list[float] | list[None] = [None] * len(labels)
    if task == "multi_class":
        matrix = confusion_matrix(heard.probabilities, heard.targets)
        recall = _shares(matrix.diagonal(), matrix.sum(axis=1))
        precision = _shares(matrix.diagonal(), matrix.sum(axis=0))
    columns = zip(labels, n_positives, *metrics, recall, precision, strict=True)
    return tuple(
        ClassReport(label, int(n), float(average_precision), float(roc_auc), found, right)
        for label, n, average_precision, roc_auc, found, right in columns
    )


def _shares(parts: Iterable[int], wholes: Iterable[int]) -> list[float]:
    return [part / whole if whole else float("nan") for part, whole in zip(parts, wholes, strict=True)]


def _confusions(heard: HeardClips, labels: LabelSet) -> tuple[Confusion, ...]:
    matrix = confusion_matrix(heard.probabilities, heard.targets)
    np.fill_diagonal(matrix, 0)
    pairs = np.argwhere(matrix)
    found = [Confusion(labels[true], labels[best], int(matrix[true, best])) for true, best in pairs]
    return tuple(sorted(found, key=lambda confusion: -confusion.n_clips))


def _worst_clips(heard: HeardClips, labels: LabelSet, task: Task) -> tuple[WorstClip, ...]:
    surprise = cross_entropy(heard.probabilities, heard.targets, task)
    worst = np.argsort(-surprise, kind="stable")[:N_WORST_CLIPS]
    return tuple(
        WorstClip(
            heard.clips[index],
            _tags(heard.probabilities[index], labels, max(1, len(heard.clips[index].labels))),
            float(surprise[index]),
        )
        for index in worst
    )


def _tags(probabilities: Doubles, labels: LabelSet, n: int) -> tuple[Tag, ...]:
    best = np.argsort(-probabilities, kind="stable")[:n]
    return tuple(Tag(labels[index], float(probabilities[index])) for index in best)
