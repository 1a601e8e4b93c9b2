"""Labelled recordings: some to learn from, some held out, some kept away until the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from htsat import audio
from htsat.data.clip_tables import read_clips
from htsat.data.cutting import cut_long
from htsat.data.dataset import (
    ClipMaker,
    EvaluationClips,
    OpenedClips,
    Progress,
    TrainingClips,
    open_clips,
)
from htsat.data.manifest import Clip, Manifest, read_data
from htsat.data.sampling import (
    BalancedClips,
    ClipSampler,
    ShuffledClips,
    StreamedClips,
    WeightedClips,
    inverse_frequency_weights,
)
from htsat.data.stores import SoundReader
from htsat.data.timeline import Timeline
from htsat.errors import ConfigError, DataError
from htsat.labels import LabelSet
from htsat.network import ModelConfig
from htsat.training.experiment import Experiment


class Split(NamedTuple):
    """What is learned from; what is held out; what is heard once at the end. None is without such clips."""

    train: Manifest
    valid: Manifest | None
    test: Manifest | None


def read_split(experiment: Experiment) -> Split:
    """Read the manifests of an experiment and split them.

    Raises:
        ConfigError: when no data are named.
        DataError: when they do not fit, or nothing can be held out.
    """
    rest, test = _read(experiment), None
    if experiment.test_fold is not None:
        rest, test = rest.split_fold(experiment.test_fold)
    if experiment.valid_data is not None:
        valid = _of_same_classes(Path(experiment.valid_data), rest)
        return Split(_learned(rest, experiment), valid, test)
    if experiment.valid_fold is not None:
        outside, inside = rest.split_fold(experiment.valid_fold)
        return Split(_learned(outside, experiment), inside, test)
    rest = _learned(rest, experiment)
    if experiment.valid_share > 0:
        return Split(*rest.split_share(experiment.valid_share, experiment.seed), test)
    return Split(rest, None, test)


def _learned(manifest: Manifest, experiment: Experiment) -> Manifest:
    """Only the folds to learn from, where they are named."""
    if not experiment.train_folds:
        return manifest
    wanted, there = {str(fold) for fold in experiment.train_folds}, {clip.fold for clip in manifest.clips}
    missing = sorted(wanted - there)
    if missing:
        found = ", ".join(sorted(fold for fold in there if fold is not None)) or "none"
        raise DataError(f"train_folds: no clip to learn from has fold {missing[0]!r}; found {found}")
    return manifest.only(clip for clip in manifest.clips if clip.fold in wanted)


def read_folds(experiment: Experiment) -> list[str]:
    """The names of the folds of an experiment's data."""
    return sorted({clip.fold for clip in _read(experiment).clips if clip.fold is not None})


def _read(experiment: Experiment) -> Manifest:
    if experiment.data is None:
        raise ConfigError("data: needs the recordings to learn from (a manifest, or a folder)")
    manifest = read_data(Path(experiment.data), audio.SUFFIXES)
    if experiment.folds == "fold":
        return manifest
    return manifest.only(dataclasses.replace(clip, fold=clip.origin) for clip in manifest.clips)


def _of_same_classes(source: Path, learned: Manifest) -> Manifest:
    """The clips of another manifest, whose classes may be some of those learned."""
    try:
        return dataclasses.replace(read_data(source, audio.SUFFIXES), labels=learned.labels)
    except DataError as error:
        raise DataError(f"{source}: {error}") from None


def resolve_task(experiment: Experiment, manifest: Manifest) -> Experiment:
    """Settings in which `auto` has become what the labels of the recordings say.

    Raises:
        ConfigError: when the task does not fit strong labels.
    """
    if experiment.task == "multi_class" and any(clip.events for clip in manifest.clips):
        raise ConfigError("task: strong labels need multi_label, got multi_class")
    if experiment.task != "auto":
        return experiment
    has_one_each = all(len(clip.labels) == 1 and clip.events is None for clip in manifest.clips)
    is_choice = has_one_each and len(manifest.labels) > 1
    return dataclasses.replace(experiment, task="multi_class" if is_choice else "multi_label")


class OpenedSplit(NamedTuple):
    """The clips of a run, ready to be heard."""

    train: OpenedClips
    valid: OpenedClips | None
    noise: OpenedClips | None

    @property
    def n_train_clips(self) -> int:
        """To learn from."""
        return len(self.train.sounds.clips)

    @property
    def n_valid_clips(self) -> int:
        """To measure with."""
        return 0 if self.valid is None else len(self.valid.sounds.clips)

    @property
    def broken(self) -> list[str]:
        """Why clips cannot be heard."""
        return [clip.reason for part in self if part is not None for clip in part.broken]


def open_split(split: Split, experiment: Experiment, config: ModelConfig, progress: Progress) -> OpenedSplit:
    """Open what is learned from, what is held out, and the background noise of the augmentation.

    Long recordings with strong labels are cut into pieces: held-out ones of the length of a clip, those to
    learn from of twice that, half of it shared, so that training draws clips from everywhere.

    Raises:
        DataError: when no clip of a part can be read.
    """

    def opened(clips: Sequence[Clip]) -> OpenedClips:
        return open_clips(clips, config.sample_rate, experiment.machines.memory_gb * 1e9, progress)

    noise = experiment.augmentation.noise_data
    reader, clip_s = SoundReader(config.sample_rate), config.clip_s
    return OpenedSplit(
        train=opened(cut_long(split.train.clips, reader, clip_s, 2 * clip_s)),
        valid=None if split.valid is None else opened(cut_long(split.valid.clips, reader, clip_s, clip_s)),
        noise=None if noise is None else opened(_read_noise(Path(noise))),
    )


def _read_noise(source: Path) -> Sequence[Clip]:
    """The clips of a manifest, or all recordings below a folder; labels do not count."""
    if not source.is_dir():
        return read_clips(source)
    paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in audio.SUFFIXES)
    if not paths:
        raise DataError(f"{source}: no recordings of background noise")
    return [Clip(path, ()) for path in paths]


def training_clips(
    experiment: Experiment,
    opened: OpenedSplit,
    labels: LabelSet,
    config: ModelConfig,
    n_passes: int | None = None,
) -> TrainingClips:
    """What is learned from, as training hears it; after `n_passes` epochs the same changes come again."""
    maker = ClipMaker(
        clip_samples=config.clip_samples,
        augmentation=experiment.augmentation,
        seed=experiment.seed,
        noise=None if opened.noise is None else opened.noise.sounds,
        n_passes=n_passes,
    )
    sounds = opened.train.sounds
    return TrainingClips(sounds, labels, maker, _timeline(experiment, sounds.clips, labels, config))


def evaluation_clips(
    experiment: Experiment, opened: OpenedSplit, labels: LabelSet, config: ModelConfig
) -> EvaluationClips | None:
    """What is held out, if anything is."""
    if opened.valid is None:
        return None
    sounds = opened.valid.sounds
    timeline = _timeline(experiment, sounds.clips, labels, config)
    return EvaluationClips(sounds, labels, config.clip_samples, timeline)


def _timeline(
    experiment: Experiment, clips: Sequence[Clip], labels: LabelSet, config: ModelConfig
) -> Timeline | None:
    """What is known of moments; None where nothing is."""
    unlabelled = frozenset(experiment.detection.unlabelled_folds)
    if not any(clip.events or clip.fold in unlabelled for clip in clips):
        return None
    return Timeline(clips, labels, config.sample_rate, config.n_frames, unlabelled)


def build_sampler(experiment: Experiment, clips: Sequence[Clip], labels: LabelSet) -> ClipSampler:
    """The order in which clips are drawn."""
    seed = experiment.seed
    match experiment.sampling:
        case "shuffled":
            return ShuffledClips(len(clips), seed)
        case "balanced":
            return BalancedClips([clip.labels for clip in clips], labels, seed)
        case "inverse_frequency":
            return WeightedClips(inverse_frequency_weights(clips), seed)
        case "weighted":
            return WeightedClips([clip.weight for clip in clips], seed)
        case "streamed":
            return StreamedClips([clip.path for clip in clips], seed)
