"""From labelled recordings to a model file: what `htsat finetune` does."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from lightning.fabric import Fabric, seed_everything

import htsat
from htsat import audio
from htsat.checkpoints import ModelCard, default_thresholds, load_model, save_model
from htsat.checkpoints.resolve import resolve
from htsat.data.dataset import DecodedClips, EvaluationClips, TrainingClips, decode_clips
from htsat.data.manifest import Clip, Manifest, read_folder, read_manifest
from htsat.errors import DataError
from htsat.files import atomic_path
from htsat.network import HTSAT, ModelConfig
from htsat.scores import Task
from htsat.training.experiment import Experiment
from htsat.training.loop import Evaluation, Log, Trainer, evaluate_clips

MODEL_NAME = "model.safetensors"
BEST_NAME = "best.safetensors"


@dataclass(frozen=True)
class Watcher:
    """How a run tells what it does; the default keeps quiet."""

    event: Callable[[dict[str, object]], None] = lambda event: None
    decoding: Callable[[Iterator[Clip]], Iterator[Clip]] = iter


class Split(NamedTuple):
    """Decoded clips to learn from, and those to measure with."""

    train: DecodedClips
    valid: DecodedClips | None


def read_data(source: Path) -> Manifest:
    """A manifest file, or a folder with one folder per class."""
    if source.is_dir():
        own = source / "manifest.tsv"
        return read_manifest(own) if own.is_file() else read_folder(source, audio.SUFFIXES)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    return read_manifest(source)


def finetune(
    source: Path, run: Path, experiment: Experiment, watcher: Watcher = Watcher()
) -> Evaluation | None:
    """Train a network on labelled recordings.

    The run's folder gets the resolved `experiment.json`, `log.jsonl`, `model.safetensors` (after the last
    epoch) and, where clips are held out, `best.safetensors` (the epoch with the highest mAP on them).

    Returns:
        Evaluation: of the last epoch on the held-out clips, or None where none were.

    Raises:
        DataError: when recordings or labels do not fit, or the run's folder is already in use.
    """
    manifest = read_data(source)
    _claim(run, experiment)
    seed_everything(experiment.seed, verbose=False)
    torch.set_flush_denormal(True)
    network = start_network(experiment, manifest)
    log = Log(run / "log.jsonl", watcher.event)
    split = _decode(manifest, experiment, network.config.sample_rate, watcher)
    log.write(event="data", **_count(split))
    fabric = Fabric(accelerator=experiment.device, devices=1, precision=experiment.precision)
    clips = TrainingClips(
        split.train.recordings,
        manifest.labels,
        network.config.clip_samples,
        experiment.augmentation,
        experiment.seed,
    )
    trainer = Trainer(fabric, network, clips, experiment)
    return _run(trainer, experiment, manifest, split, run, log)


def _run(
    trainer: Trainer, experiment: Experiment, manifest: Manifest, split: Split, run: Path, log: Log
) -> Evaluation | None:
    card = ModelCard(
        manifest.labels,
        experiment.task,
        default_thresholds(experiment.task, len(manifest.labels)),
        _provenance(experiment, split),
    )
    valid = split.valid and EvaluationClips(
        split.valid.recordings, manifest.labels, trainer.averaged.config.clip_samples
    )
    evaluation, best = None, -1.0
    for epoch in range(experiment.optimisation.epochs):
        trainer.epoch(epoch, log)
        save_model(run / MODEL_NAME, trainer.averaged, card)
        is_due = (epoch + 1) % experiment.evaluate_every == 0 or epoch + 1 == experiment.optimisation.epochs
        if valid is None or not is_due:
            continue
        evaluation = evaluate_clips(
            trainer.averaged, valid, experiment.task, experiment.optimisation.batch_size
        )
        log.write(event="evaluation", epoch=epoch, **evaluation._asdict())
        if evaluation.mean_average_precision > best:
            best = evaluation.mean_average_precision
            save_model(run / BEST_NAME, trainer.averaged, card)
    return evaluation


def start_network(experiment: Experiment, manifest: Manifest) -> HTSAT:
    """A fresh network of the experiment's size, or the one of `init_from` with a classifier that fits.

    Raises:
        CheckpointError: when `init_from` is not a model.
    """
    n_classes = len(manifest.labels)
    if experiment.init_from is None:
        network = HTSAT(ModelConfig.named(experiment.size, n_classes=n_classes))
        return _expecting_prior(network, experiment.task)
    start = load_model(resolve(experiment.init_from))
    if start.card.labels == manifest.labels:
        return start.network.train()
    head = "token_semantic" if start.network.config.head == "none" else start.network.config.head
    network = HTSAT(dataclasses.replace(start.network.config, n_classes=n_classes, head=head))
    kept = {key: value for key, value in start.network.state_dict().items() if not key.startswith("head.")}
    network.load_state_dict({**network.state_dict(), **kept})
    return _expecting_prior(network, experiment.task)


def _expecting_prior(network: HTSAT, task: Task) -> HTSAT:
    """Let a fresh multi-label classifier expect one class of all, so that it need not first learn silence."""
    if task == "multi_label":
        for name, parameter in network.head.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.constant_(parameter, -math.log(max(1, network.config.n_classes - 1)))
    return network


def _claim(run: Path, experiment: Experiment) -> None:
    """Take an unused folder for the run and write down what it does."""
    if (run / "log.jsonl").exists():
        raise DataError(f"{run}: holds a run already; choose another folder")
    run.mkdir(parents=True, exist_ok=True)
    with atomic_path(run / "experiment.json") as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(experiment), indent=2) + "\n", encoding="utf-8")


def _decode(manifest: Manifest, experiment: Experiment, sample_rate: int, watcher: Watcher) -> Split:
    if experiment.valid_fold is not None:
        train, valid = manifest.split_fold(experiment.valid_fold)
    elif experiment.valid_share > 0:
        train, valid = manifest.split_share(experiment.valid_share, experiment.seed)
    else:
        return Split(decode_clips(manifest, sample_rate, watcher.decoding), None)
    return Split(*(decode_clips(part, sample_rate, watcher.decoding) for part in (train, valid)))


def _count(split: Split) -> dict[str, object]:
    valid = split.valid or DecodedClips((), ())
    return {
        "n_train_clips": len(split.train.recordings),
        "n_valid_clips": len(valid.recordings),
        "broken": [clip.reason for clip in split.train.broken + valid.broken],
    }


def _provenance(experiment: Experiment, split: Split) -> dict[str, str]:
    return {
        "made_with": f"htsat {htsat.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}",
        "trained_on": f"{len(split.train.recordings)} clips",
        "experiment": json.dumps(dataclasses.asdict(experiment)),
    }
