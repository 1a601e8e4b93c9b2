"""What is learned from, what is held out, and in which order clips come."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from htsat.data.manifest import Clip, Manifest, write_manifest
from htsat.data.sampling import BalancedClips, ShuffledClips, StreamedClips, WeightedClips
from htsat.errors import ConfigError, DataError
from htsat.labels import LabelSet
from htsat.network import ModelConfig
from htsat.training.experiment import Experiment
from htsat.training.split import build_sampler, open_split, read_folds, read_split, resolve_task

LABELS = LabelSet.of(["a", "b"])
CLIPS = tuple(
    Clip(Path(f"{fold}-{group}-{take}.wav"), (("a",), ("b",))[take % 2], fold=fold, group=group)
    for fold, groups in {"1": "uv", "2": "wx", "test": "yz"}.items()
    for group in groups
    for take in range(2)
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three folds of two groups of two clips; the sounds are not there."""
    write_manifest(tmp_path / "manifest.tsv", Manifest(CLIPS, LABELS))
    return tmp_path


def folds(manifest: Manifest | None) -> set[str | None] | None:
    return None if manifest is None else {clip.fold for clip in manifest.clips}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"valid_share": 0.0}, ({"1", "2", "test"}, None, None)),
        ({"valid_fold": 1}, ({"2", "test"}, {"1"}, None)),
        ({"valid_fold": "1", "test_fold": "test"}, ({"2"}, {"1"}, {"test"})),
        ({"valid_fold": "1", "train_folds": (2,)}, ({"2"}, {"1"}, None)),
        ({"valid_share": 0.0, "train_folds": ("1", "2")}, ({"1", "2"}, None, None)),
    ],
)
def test_folds_are_learned_from_held_out_or_kept_away(
    data: Path, settings: dict[str, object], expected: object
) -> None:
    split = read_split(Experiment(data=str(data), **settings))  # type: ignore[arg-type]
    assert (folds(split.train), folds(split.valid), folds(split.test)) == expected


def test_a_group_can_be_the_fold(data: Path) -> None:
    experiment = Experiment(data=str(data), folds="group", valid_fold="w")
    assert read_folds(experiment) == ["u", "v", "w", "x", "y", "z"]
    split = read_split(experiment)
    assert split.valid is not None
    assert {clip.group for clip in split.valid.clips} == {"w"}
    assert {clip.group for clip in split.train.clips} == set("uvxyz")


def test_held_out_recordings_may_have_a_manifest_of_their_own(data: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "held_out" / "manifest.tsv"
    held_out.parent.mkdir()
    write_manifest(held_out, Manifest(CLIPS[:1], LabelSet.of(["a"])))
    split = read_split(Experiment(data=str(data), valid_data=str(held_out)))
    assert split.valid is not None
    assert (len(split.train.clips), len(split.valid.clips)) == (12, 1)
    assert split.valid.labels == LABELS
    write_manifest(held_out, Manifest((Clip(Path("c.wav"), ("c",)),), LabelSet.of(["c"])))
    with pytest.raises(DataError, match=r"manifest.tsv: c.wav: unknown class 'c'|unknown class 'c'"):
        read_split(Experiment(data=str(data), valid_data=str(held_out)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"valid_fold": 3}, r"no clip has fold 3; the manifest's folds are \[1, 2, test\]"),
        (
            {"valid_fold": 1, "train_folds": ("3",)},
            "train_folds: no clip to learn from has fold '3'; found 2, test",
        ),
    ],
)
def test_folds_that_are_not_there(data: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_split(Experiment(data=str(data), **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        ([("a",), ("b",)], "multi_class"),
        ([("a",), ()], "multi_label"),
        ([("a", "b"), ("b",)], "multi_label"),
    ],
)
def test_one_class_for_each_clip_is_a_choice(labels: list[tuple[str, ...]], task: str) -> None:
    manifest = Manifest(tuple(Clip(Path(f"{n}.wav"), names) for n, names in enumerate(labels)), LABELS)
    assert resolve_task(Experiment(), manifest).resolved_task == task
    assert resolve_task(Experiment(task="multi_label"), manifest).resolved_task == "multi_label"


def test_a_single_class_is_no_choice() -> None:
    manifest = Manifest((Clip(Path("a.wav"), ("a",)),), LabelSet.of(["a"]))
    assert resolve_task(Experiment(), manifest).resolved_task == "multi_label"


def test_a_task_that_nobody_has_decided_is_refused() -> None:
    with pytest.raises(ConfigError, match="task: 'auto' is decided by the labels"):
        _ = Experiment().resolved_task


@pytest.mark.parametrize(
    ("sampling", "kind"),
    [
        ("shuffled", ShuffledClips),
        ("balanced", BalancedClips),
        ("inverse_frequency", WeightedClips),
        ("weighted", WeightedClips),
        ("streamed", StreamedClips),
    ],
)
def test_the_order_of_clips_has_a_name(sampling: str, kind: type) -> None:
    sampler = build_sampler(Experiment(sampling=sampling), CLIPS, LABELS)  # type: ignore[arg-type]
    assert type(sampler) is kind
    assert len(sampler.epoch(0)) == 12


def test_weights_of_the_manifest_count() -> None:
    heavy = [dataclasses.replace(clip, weight=float(clip.labels == ("a",))) for clip in CLIPS]
    drawn = build_sampler(Experiment(sampling="weighted"), heavy, LABELS).epoch(0, n_draws=100)
    assert {heavy[index].labels for index in drawn.indices} == {("a",)}


def test_background_noise_comes_from_a_folder_or_a_manifest(
    recordings: Path,
    tmp_path: Path,
    experiment: Callable[..., Experiment],
    half_second_config: ModelConfig,
) -> None:
    split = read_split(experiment())
    for source in (recordings, recordings / "high"):
        settings = experiment()
        settings = dataclasses.replace(
            settings, augmentation=dataclasses.replace(settings.augmentation, noise_data=str(source))
        )
        opened = open_split(split, settings, half_second_config, iter)
        assert opened.noise is not None
        assert len(opened.noise.sounds.clips) == (24 if source == recordings else 12)
    (tmp_path / "empty").mkdir()
    noise = dataclasses.replace(experiment().augmentation, noise_data=str(tmp_path / "empty"))
    with pytest.raises(DataError, match="empty: no recordings of background noise"):
        open_split(split, experiment(augmentation=noise), half_second_config, iter)
