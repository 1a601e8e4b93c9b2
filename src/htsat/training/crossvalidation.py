"""The same experiment again and again: each fold held out in turn, with several seeds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from lightning.fabric import Fabric

from htsat.errors import ConfigError, DataError
from htsat.files import atomic_path
from htsat.training.experiment import Experiment
from htsat.training.outcome import Figures
from htsat.training.parallel import build_fabric
from htsat.training.ranges import check_seed
from htsat.training.split import read_folds
from htsat.training.state import STATE_NAME
from htsat.training.train import Watcher, resume, train

SUMMARY_NAME = "summary.json"


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """Which runs an experiment consists of; by default a single one."""

    by: Literal["none", "fold", "group"] = "none"
    """`fold` holds out each fold of the manifest in turn, `group` each group (a speaker, a place)."""
    parts: tuple[str, ...] = ()
    """The folds or groups that are held out, by default all."""
    seeds: tuple[int, ...] = ()
    """All is done again with each seed, by default with that of the experiment only."""

    def __post_init__(self) -> None:
        if self.parts and self.by == "none":
            raise ConfigError("cross_validation.parts needs cross_validation.by: fold, or group")
        for seed in self.seeds:
            check_seed("cross_validation.seeds", seed)

    @property
    def is_single(self) -> bool:
        """Whether there is nothing to do again."""
        return self.by == "none" and not self.seeds


class Result(NamedTuple):
    """What one run has come to; `part` is the fold or group that was held out."""

    run: str
    part: str | None
    seed: int
    figures: Figures


class Spread(NamedTuple):
    """Mean over all runs that have the figure, and the deviation (of a sample) of what is named."""

    mean: float
    between_parts: float | None
    """Of the parts' means over the seeds."""
    between_seeds: float | None
    """Of the seeds' means over the parts: how the paper's repeats differ."""


@dataclass(frozen=True)
class Summary:
    """All runs of a cross-validation."""

    results: tuple[Result, ...]

    @property
    def accuracy(self) -> Spread | None:
        """None for models of several classes at once."""
        return self._spread([result.figures.accuracy for result in self.results])

    @property
    def mean_average_precision(self) -> Spread | None:
        """None where no run has held out a clip with a class."""
        return self._spread([result.figures.mean_average_precision for result in self.results])

    def _spread(self, values: Sequence[float | None]) -> Spread | None:
        pairs = [(value, result) for value, result in zip(values, self.results, strict=True)]
        known = [(value, result) for value, result in pairs if value is not None]
        if not known:
            return None
        there = [value for value, _ in known]
        return Spread(
            float(np.mean(there)),
            _deviation(there, [result.part for _, result in known]),
            _deviation(there, [result.seed for _, result in known]),
        )


def cross_validate(
    experiment: Experiment, plan: CrossValidation, folder: Path, watch: Callable[[str], Watcher]
) -> Summary:
    """Train and measure all runs, one after the other, each in a folder of its own below `folder`.

    Called again, it goes on where it was stopped: runs that are finished stay as they are. `folder` gets
    `summary.json` after each run.

    Args:
        experiment: what all runs have in common.
        plan: in what they differ.
        folder: of all runs.
        watch: from the name of a run to who watches it.

    Raises:
        ConfigError: when settings do not fit each other or the machine.
        DataError: when the recordings do not fit, or there are fewer than two parts.
    """
    runs = list(_runs(experiment, plan))
    fabric = build_fabric(experiment)
    results: list[Result] = []
    for name, settings in runs:
        results.append(_run(name, settings, folder, watch(name), fabric))
        if fabric.is_global_zero:
            _write(folder / SUMMARY_NAME, Summary(tuple(results)))
    return Summary(tuple(results))


def _runs(experiment: Experiment, plan: CrossValidation) -> Iterator[tuple[str, Experiment]]:
    """Names and settings."""
    for seed in plan.seeds or (experiment.seed,):
        if plan.by == "none":
            yield f"seed-{seed}", dataclasses.replace(experiment, seed=seed)
            continue
        sorted_folds = dataclasses.replace(experiment, folds=plan.by, seed=seed)
        for part in _parts(sorted_folds, plan):
            yield f"{plan.by}-{_safe(part)}-seed-{seed}", dataclasses.replace(sorted_folds, valid_fold=part)


def _parts(experiment: Experiment, plan: CrossValidation) -> Sequence[str]:
    there = [fold for fold in read_folds(experiment) if fold != str(experiment.test_fold)]
    for part in plan.parts:
        if part not in there:
            raise DataError(f"no clip has {plan.by} {part!r}; there are {', '.join(there) or 'none'}")
    if len(there) < 2:
        raise DataError(f"cross-validation needs at least two {plan.by}s, found {len(there)}")
    return plan.parts or there


def _safe(part: str) -> str:
    """A name for a folder."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in part)


def _run(name: str, experiment: Experiment, folder: Path, watcher: Watcher, fabric: Fabric) -> Result:
    go_on = resume if (folder / name / STATE_NAME).exists() else train
    outcome = go_on(experiment, folder / name, watcher, fabric)
    figures = outcome.held_out or outcome.test
    if figures is None:
        raise DataError(f"{folder / name}: nothing is held out that the runs could be compared by")
    part = None if experiment.valid_fold is None else str(experiment.valid_fold)
    return Result(name, part, experiment.seed, figures)


def _deviation(values: Sequence[float], keys: Sequence[object]) -> float | None:
    """Of the means of the values with the same key; None where there are not two."""
    means = [
        float(np.mean([value for value, other in zip(values, keys, strict=True) if other == key]))
        for key in dict.fromkeys(keys)
    ]
    return float(np.std(means, ddof=1)) if len(means) > 1 else None


def _write(path: Path, summary: Summary) -> None:
    document = {
        "accuracy": summary.accuracy and summary.accuracy._asdict(),
        "mAP": summary.mean_average_precision and summary.mean_average_precision._asdict(),
        "runs": [
            {"run": result.run, "part": result.part, "seed": result.seed, **result.figures.document()}
            for result in summary.results
        ],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
