"""Sound and labels at the edge: silence, constants, one sample; classes that no clip has, or all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from htsat.cli.learning import describe_summary
from htsat.data.augment import WaveformAugmentation
from htsat.training.crossvalidation import Result, Summary
from htsat.training.experiment import Experiment
from htsat.training.outcome import Figures
from htsat.training.train import train

pytestmark = pytest.mark.usefixtures("small_network")

Maker = Callable[..., Experiment]
Written = Callable[[Path], Any]
"""`written(run)` has `events(kind)` of the log and `is_sound()`."""

EVERYTHING = WaveformAugmentation(
    speed=1.2, filter_db=6, noise_probability=1.0, short_probability=0.5, min_length_s=0.1
)
"""Changes that divide by the power of a clip, or play only a part of it."""


def optimised(settings: Experiment, **changes: object) -> Experiment:
    return dataclasses.replace(settings, optimisation=dataclasses.replace(settings.optimisation, **changes))  # type: ignore[arg-type]


def silence_all(recordings: Path, share: float = 1.0) -> None:
    paths = sorted(recordings.rglob("*.wav"))
    for path in paths[: round(share * len(paths))]:
        samples, rate = soundfile.read(path)
        soundfile.write(path, np.zeros_like(samples), rate)


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("kind", list(product(["32-true", "bf16-mixed"], ["multi_class", "multi_label"])))
def test_silence_is_learned_from_without_a_number_that_is_not_finite(
    recordings: Path,
    tmp_path: Path,
    experiment: Maker,
    written: Written,
    share: float,
    kind: tuple[str, str],
) -> None:
    """Every second clip, and all: the batch norm then sees no variance at all."""
    silence_all(recordings, share)
    precision, task = kind
    settings = experiment(precision=precision, task=task, augmentation=EVERYTHING)
    train(optimised(settings, epochs=2), tmp_path / "run")
    assert written(tmp_path / "run").is_sound()
    assert all(np.isfinite(event["loss"]) for event in written(tmp_path / "run").events("step"))


CLIPS = {
    "constant": np.full(4_000, 0.5, np.float32),
    "one sample": np.array([0.25], np.float32),
    "denormal": np.full(4_000, 1e-40, np.float32),
    "clipped square": np.sign(np.sin(np.arange(4_000) / 7)).astype(np.float32),
    "huge": np.full(4_000, 1e12, np.float32) * np.sign(np.sin(np.arange(4_000) / 5)).astype(np.float32),
}


@pytest.mark.parametrize("name", CLIPS)
def test_odd_clips_are_learned_from(
    recordings: Path, tmp_path: Path, experiment: Maker, written: Written, name: str
) -> None:
    for path in sorted(recordings.rglob("*.wav"))[::3]:
        soundfile.write(path, CLIPS[name], 8_000, subtype="FLOAT")
    settings = experiment(augmentation=EVERYTHING, precision="bf16-mixed")
    train(optimised(settings, epochs=2), tmp_path / "run")
    assert written(tmp_path / "run").is_sound()


def write_manifest(recordings: Path, rows: list[str]) -> Path:
    path = recordings / "manifest.tsv"
    path.write_text("path\tlabels\tfold\n" + "".join(f"{row}\n" for row in rows))
    return path


@pytest.mark.parametrize(
    "case",
    [
        (("high;low", "low"), ("high", "low"), True),  # a class in every clip
        (("high", "high"), ("low", "low"), True),  # one with no clip to learn from
        (("high", "low"), ("high", "high"), True),  # one with no held-out clip
        (("high", "low"), ("", ""), False),  # no held-out clip of any
        (("", ""), ("high", ""), True),  # nothing to learn from but negatives
    ],
)
def test_folds_in_which_classes_are_missing(
    recordings: Path,
    tmp_path: Path,
    experiment: Maker,
    written: Written,
    case: tuple[tuple[str, str], tuple[str, str], bool],
) -> None:
    """What is written is JSON; a figure that does not exist is null, and there is no best model then."""
    train_labels, valid_labels, has_figure = case
    names = sorted(path.relative_to(recordings) for path in recordings.rglob("*.wav"))
    rows = [f"{name}\t{train_labels[number % 2]}\t1" for number, name in enumerate(names[:8] + names[12:20])]
    rows += [f"{name}\t{valid_labels[number % 2]}\t2" for number, name in enumerate(names[8:12] + names[20:])]
    manifest = write_manifest(recordings, rows)
    (recordings / "labels.txt").write_text("high\nlow\n")
    settings = experiment(data=str(manifest), task="multi_label", valid_fold=2, keep_top=1)
    run = tmp_path / "run"
    outcome = train(optimised(settings, epochs=2), run)
    assert outcome.held_out is not None
    assert (outcome.held_out.mean_average_precision is not None) == has_figure
    assert all(
        (event["mean_average_precision"] is not None) == has_figure
        for event in written(run).events("evaluation")
    )
    assert (run / "best.safetensors").exists() == has_figure
    assert written(run).is_sound()


def test_a_single_class(recordings: Path, tmp_path: Path, experiment: Maker, written: Written) -> None:
    """One output; alone it is every clip's class, so that accuracy is 1 and the mAP too."""
    names = sorted(path.relative_to(recordings) for path in recordings.rglob("*.wav"))
    manifest = write_manifest(recordings, [f"{name}\tsound\t" for name in names])
    for task in ("multi_class", "multi_label"):
        outcome = train(optimised(experiment(data=str(manifest), task=task), epochs=1), tmp_path / task)
        assert outcome.held_out is not None
        assert outcome.held_out.mean_average_precision == 1.0
        assert written(tmp_path / task).is_sound()


def test_runs_without_a_figure_are_left_out_of_the_mean_of_a_cross_validation() -> None:
    """As the fold of a speaker who says none of the words."""

    def result(part: str, precision: float | None) -> Result:
        return Result(part, part, 0, Figures(4, None, precision))

    some = Summary((result("1", 0.5), result("2", None), result("3", 0.7)))
    assert some.accuracy is None
    assert some.mean_average_precision is not None
    assert some.mean_average_precision.mean == pytest.approx(0.6)
    assert some.mean_average_precision.between_parts == pytest.approx(0.1 * 2**0.5)
    assert Summary((result("1", None),)).mean_average_precision is None
    lines = list(describe_summary(Summary((result("1", None), result("2", None))), Path("runs/all")))
    assert lines[1:] == ["1      4         -       -", "2      4         -       -", "", "runs/all"]
