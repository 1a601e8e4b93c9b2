"""From labelled recordings to a model file: what `htsat finetune` does."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric, seed_everything

import htsat
from htsat.checkpoints import ModelCard, default_thresholds
from htsat.data.dataset import EvaluationClips, TrainingClips
from htsat.data.manifest import Manifest
from htsat.data.sampling import BalancedClips, ClipSampler, ShuffledClips
from htsat.errors import ConfigError, DataError
from htsat.files import atomic_path
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.training.experiment import Experiment
from htsat.training.log import LOG_NAME, Log
from htsat.training.loop import Trainer
from htsat.training.origin import (
    Fingerprint,
    Origin,
    refuse_other_data,
    refuse_other_settings,
    refuse_other_surroundings,
)
from htsat.training.run import MODEL_NAME, Run
from htsat.training.split import Progress, Split, decode_split, read_data
from htsat.training.start import start_network
from htsat.training.state import STATE_NAME, read_state
from htsat.training.validation import Evaluation

__all__ = ["EXPERIMENT_NAME", "MODEL_NAME", "Watcher", "finetune", "resume"]

EXPERIMENT_NAME = "experiment.json"


@dataclass(frozen=True)
class Watcher:
    """How a run tells what it does; the default keeps quiet."""

    event: Callable[[dict[str, object]], None] = lambda event: None
    decoding: Progress = iter


def finetune(
    source: Path, folder: Path, experiment: Experiment, watcher: Watcher = Watcher()
) -> Evaluation | None:
    """Train a network on labelled recordings.

    The run's folder gets the resolved `experiment.json`, `log.jsonl`, `model.safetensors` (after the last
    epoch), where clips are held out `best.safetensors` (the epoch with the highest mAP on them), and
    `state.ckpt`, from which `resume` goes on.

    Returns:
        Evaluation: of the last epoch on the held-out clips, or None where none were.

    Raises:
        DataError: when recordings or labels do not fit, or the run's folder is already in use.
    """
    task = _Task(source, folder, experiment, read_data(source), watcher)
    _refuse_used(folder)
    fabric = _fabric(experiment)
    network = start_network(experiment, task.manifest)
    split = decode_split(task.manifest, experiment, network.config.sample_rate, watcher.decoding)
    _claim(folder, experiment)
    run = _assemble(task, fabric, network, split)
    n_train_clips, n_valid_clips = run.origin.n_train_clips, run.origin.n_valid_clips
    run.log.write(event="data", n_train_clips=n_train_clips, n_valid_clips=n_valid_clips, broken=split.broken)
    run.save()
    return run.go_on()


def resume(
    source: Path, folder: Path, experiment: Experiment, watcher: Watcher = Watcher()
) -> Evaluation | None:
    """Go on with a run that was stopped, as if it had not been; one that is finished stays as it is.

    On a CPU with as many threads the results are equal to the last bit.

    Args:
        source: the recordings that the run was started on; they may have moved.
        folder: of the run.
        experiment: the settings that the run was started with.
        watcher: hears how it goes on.

    Returns:
        Evaluation: as `finetune`.

    Raises:
        DataError: when there is no state to go on from, or the recordings or labels are others.
        CheckpointError: when the state is damaged.
        ConfigError: when a setting or the device is another.
    """
    state = read_state(folder)
    refuse_other_settings(folder, state.origin, experiment)
    task = _Task(source, folder, experiment, read_data(source), watcher)
    refuse_other_data(folder, state.origin, task.manifest, source)
    if state.is_finished:
        watcher.event({"event": "finished before", "epochs": experiment.optimisation.epochs})
        return state.evaluation
    fabric = _fabric(experiment)
    network = HTSAT(ModelConfig(**state.origin.network_config))
    split = decode_split(task.manifest, experiment, network.config.sample_rate, watcher.decoding)
    run = _assemble(task, fabric, network, split)
    refuse_other_surroundings(folder, state.origin, run.origin)
    run.restore(state)
    watcher.event({"event": "resumed", "epoch": run.trainer.n_epochs})
    return run.go_on()


@dataclass(frozen=True)
class _Task:
    """What is to be learned from what, and where it is written to."""

    source: Path
    folder: Path
    experiment: Experiment
    manifest: Manifest
    watcher: Watcher


def _fabric(experiment: Experiment) -> Fabric:
    """The device, with all random numbers seeded."""
    try:
        fabric = Fabric(accelerator=experiment.device, devices=1, precision=experiment.precision)
    except RuntimeError as error:
        raise ConfigError(f"device {experiment.device!r} is not available on this machine") from error
    seed_everything(experiment.seed, verbose=False)
    torch.set_flush_denormal(True)
    return fabric


def _assemble(task: _Task, fabric: Fabric, network: HTSAT, split: Split) -> Run:
    experiment, labels = task.experiment, task.manifest.labels
    clip_samples = network.config.clip_samples
    heard, held_out = split.train.recordings, split.valid.recordings
    clips = TrainingClips(heard, labels, clip_samples, experiment.augmentation, experiment.seed)
    thresholds = default_thresholds(experiment.task, len(labels))
    return Run(
        folder=task.folder,
        experiment=experiment,
        origin=_origin(task, network, split, fabric.device.type),
        trainer=Trainer(fabric, network, clips, _sampler(split, labels, experiment), experiment),
        valid=EvaluationClips(held_out, labels, clip_samples) if held_out else None,
        card=ModelCard(labels, experiment.task, thresholds, _provenance(experiment, split)),
        log=Log(task.folder / LOG_NAME, task.watcher.event),
    )


def _origin(task: _Task, network: HTSAT, split: Split, device: str) -> Origin:
    return Origin(
        settings=dataclasses.asdict(task.experiment),
        network_config=dataclasses.asdict(network.config),
        listed=Fingerprint.of(task.manifest, task.source),
        n_train_clips=len(split.train.recordings),
        n_valid_clips=len(split.valid.recordings),
        device=device,
    )


def _sampler(split: Split, labels: LabelSet, experiment: Experiment) -> ClipSampler:
    recordings = split.train.recordings
    if experiment.sampling == "balanced":
        return BalancedClips([recording.clip.labels for recording in recordings], labels, experiment.seed)
    return ShuffledClips(len(recordings), experiment.seed)


def _refuse_used(folder: Path) -> None:
    """A run that was stopped before its first state has nothing to lose: its folder can be used again."""
    if any((folder / name).exists() for name in (MODEL_NAME, STATE_NAME)):
        raise DataError(f"{folder}: holds a run already; choose another folder, or go on with --resume")


def _claim(folder: Path, experiment: Experiment) -> None:
    """Take a folder for the run and write down what it does."""
    (folder / LOG_NAME).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / EXPERIMENT_NAME) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(experiment), indent=2) + "\n", encoding="utf-8")


def _provenance(experiment: Experiment, split: Split) -> dict[str, str]:
    return {
        "made_with": f"htsat {htsat.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}",
        "trained_on": f"{len(split.train.recordings)} clips",
        "experiment": json.dumps(dataclasses.asdict(experiment)),
    }
