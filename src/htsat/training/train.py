"""From labelled recordings to a model file: what `htsat train` and `htsat finetune` do."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric, seed_everything

import htsat
from htsat.checkpoints import ModelCard
from htsat.data.dataset import Progress
from htsat.data.manifest import Manifest
from htsat.errors import ConfigError, DataError
from htsat.files import LOCK_NAME, atomic_path, sole_writer
from htsat.network import HTSAT, ModelConfig
from htsat.processes import Processes
from htsat.rules import default_rules
from htsat.training.boards import open_boards
from htsat.training.experiment import Experiment
from htsat.training.log import LOG_NAME, Log, Receiver
from htsat.training.loop import Lessons, Trainer
from htsat.training.origin import (
    Fingerprint,
    Origin,
    refuse_other_data,
    refuse_other_settings,
    refuse_other_surroundings,
)
from htsat.training.outcome import Outcome, measure
from htsat.training.parallel import build_fabric, may_be_started_again, refuse_apart, told_in_one_line
from htsat.training.run import MODEL_NAME, Run
from htsat.training.split import (
    OpenedSplit,
    Split,
    build_sampler,
    evaluation_clips,
    open_split,
    read_split,
    resolve_task,
    training_clips,
)
from htsat.training.start import start_network
from htsat.training.state import STATE_NAME, RunState, read_state
from htsat.training.teaching import open_answers, teaches_frames

EXPERIMENT_NAME = "experiment.json"


@dataclass(frozen=True)
class Watcher:
    """How a run tells what it does; the default keeps quiet."""

    event: Callable[[dict[str, object]], None] = lambda event: None
    reading: Progress = iter


def train(
    experiment: Experiment, folder: Path, watcher: Watcher = Watcher(), fabric: Fabric | None = None
) -> Outcome:
    """Train a network on labelled recordings.

    The run's folder gets the resolved `experiment.json`, `log.jsonl`, `model.safetensors` (after the last
    epoch) and `state.ckpt`, from which `resume` goes on. Where clips are held out it also gets
    `best.safetensors` (the model with the highest mAP on them), their manifest, and at the end a report on
    how well the model hears them.

    Where torchrun or SLURM started the process, a run that is in the folder already goes on, if its settings
    are these: they give the same command once more after a loss.

    Args:
        experiment: all settings.
        folder: of the run.
        watcher: hears how it goes.
        fabric: the processes to train on, by default what the settings ask for.

    Raises:
        ConfigError: when settings do not fit each other or the machine.
        DataError: when recordings or labels do not fit, or the run's folder is already in use.
        HtsatError: when another process is lost.
    """
    if may_be_started_again() and (folder / STATE_NAME).exists():
        return resume(experiment, folder, watcher, fabric)
    split = read_split(experiment)
    experiment = resolve_task(experiment, split.train)
    _refuse_used(folder)
    task = _task(experiment, folder, watcher, split, fabric)
    seed_everything(experiment.seed, verbose=False)
    network = start_network(experiment, split.train.labels)
    _refuse_idle(network.config, split.train, experiment)
    clips = open_split(split, experiment, network.config, task.watcher.reading)
    with _processes(task.fabric) as processes, _alone(folder, processes):
        run = _assemble(task, network, clips, processes)
        _begin(task, run, clips)
        return _finish(task, run)


def resume(
    experiment: Experiment, folder: Path, watcher: Watcher = Watcher(), fabric: Fabric | None = None
) -> Outcome:
    """Go on with a run that was stopped, as if it had not been; one that is finished stays as it is.

    On a CPU with as many threads and processes the results are equal to the last bit.

    Args:
        experiment: the settings that the run was started with; recordings and machines may be others.
        folder: of the run.
        watcher: hears how it goes on.
        fabric: as for `train`.

    Raises:
        DataError: when there is no state to go on from, or the recordings or labels are others.
        CheckpointError: when the state is damaged.
        ConfigError: when a setting or the device is another.
    """
    state = read_state(folder)
    split = read_split(experiment)
    experiment = resolve_task(experiment, split.train)
    refuse_other_settings(folder, state.origin, experiment)
    refuse_other_data(folder, state.origin, _fingerprint(split, experiment), experiment.data)
    task = _task(experiment, folder, watcher, split, fabric)
    seed_everything(experiment.seed, verbose=False)
    with _processes(task.fabric) as processes, _alone(folder, processes):
        if state.is_finished:
            task.watcher.event({"event": "finished before", "epochs": experiment.optimisation.epochs})
            return measure(folder, split, processes, experiment.device)
        return _finish(task, _continued(task, state, processes))


@dataclass(frozen=True)
class _Task:
    """What is to be learned from what, where, and who watches."""

    experiment: Experiment
    folder: Path
    watcher: Watcher
    split: Split
    fabric: Fabric


def _task(
    experiment: Experiment, folder: Path, watcher: Watcher, split: Split, fabric: Fabric | None
) -> _Task:
    """The task of this process; of several the first one tells what happens."""
    fabric = fabric or build_fabric(experiment)
    return _Task(experiment, folder, watcher if fabric.is_global_zero else Watcher(), split, fabric)


def _processes(fabric: Fabric) -> Processes:
    """The processes of a run, with a way for what is no tensor."""
    group = torch.distributed.new_group(backend="gloo") if fabric.world_size > 1 else None
    return Processes(fabric.global_rank, fabric.world_size, group)


def _continued(task: _Task, state: RunState, processes: Processes) -> Run:
    """The run where it stood."""
    network = HTSAT(ModelConfig(**state.origin.network_config))
    clips = open_split(task.split, task.experiment, network.config, task.watcher.reading)
    run = _assemble(task, network, clips, processes, state.trainer.step)
    refuse_other_surroundings(task.folder, state.origin, run.origin)
    run.restore(state)
    task.watcher.event({"event": "resumed", "epoch": run.trainer.n_epochs})
    return run


def _finish(task: _Task, run: Run) -> Outcome:
    try:
        with told_in_one_line(run.processes):
            refuse_apart(run.processes, run.trainer.step, task.folder)
            run.go_on()
    finally:
        run.log.close()
    return measure(task.folder, task.split, run.processes, task.experiment.device)


def _assemble(
    task: _Task, network: HTSAT, clips: OpenedSplit, processes: Processes, n_steps_done: int = 0
) -> Run:
    experiment, labels = task.experiment, task.split.train.labels
    config = network.config
    rules = default_rules(experiment.resolved_task, len(labels))
    return Run(
        folder=task.folder,
        experiment=experiment,
        origin=_origin(task, config, clips),
        fabric=task.fabric,
        processes=processes,
        trainer=Trainer(task.fabric, network, _lessons(task, clips, config), experiment),
        valid=evaluation_clips(experiment, clips, labels, config),
        card=ModelCard(labels, experiment.resolved_task, rules, _provenance(experiment, clips)),
        log=_log(task, processes, n_steps_done),
    )


def _log(task: _Task, processes: Processes, n_steps_done: int) -> Log:
    experiment = task.experiment
    boards: tuple[Receiver, ...] = ()
    if processes.is_first:
        boards = open_boards(experiment.boards, task.folder, dataclasses.asdict(experiment), n_steps_done)
    return Log(task.folder / LOG_NAME, task.watcher.event, boards, is_kept=processes.is_first)


def _lessons(task: _Task, clips: OpenedSplit, config: ModelConfig) -> Lessons:
    experiment, labels, sounds = task.experiment, task.split.train.labels, clips.train.sounds
    answers = open_answers(experiment, labels, sounds, config.clip_samples)
    n_passes = None if answers is None else answers.n_passes
    return Lessons(
        training_clips(experiment, clips, labels, config, n_passes),
        build_sampler(experiment, sounds.clips, labels),
        None if answers is None else answers.look_up,
    )


def _origin(task: _Task, config: ModelConfig, clips: OpenedSplit) -> Origin:
    return Origin(
        settings=dataclasses.asdict(task.experiment),
        network_config=dataclasses.asdict(config),
        listed=_fingerprint(task.split, task.experiment),
        n_train_clips=clips.n_train_clips,
        n_valid_clips=clips.n_valid_clips,
        device=task.fabric.device.type,
    )


def _fingerprint(split: Split, experiment: Experiment) -> Fingerprint:
    assert experiment.data is not None, "a split has been read"
    return Fingerprint.of([part for part in split if part is not None], Path(experiment.data))


def _refuse_idle(config: ModelConfig, manifest: Manifest, experiment: Experiment) -> None:
    """A fine head that learns nothing would say anything."""
    if not config.fine_width:
        return
    if not any(clip.events for clip in manifest.clips) and not teaches_frames(experiment):
        lack = "this run has neither"
    elif not experiment.detection.weight:
        lack = "detection.weight is 0"
    else:
        return
    raise ConfigError(
        "the fine head learns from strong labels or from a teacher's frames (htsat teach --frames), and "
        f"{lack}: set network.fine_width 0 to leave it out"
    )


def _refuse_used(folder: Path) -> None:
    """A run that was stopped before its first state has nothing to lose: its folder can be used again."""
    if any((folder / name).exists() for name in (MODEL_NAME, STATE_NAME)):
        raise DataError(f"{folder}: holds a run already; choose another folder, or go on with --resume")


@contextmanager
def _alone(folder: Path, processes: Processes) -> Iterator[None]:
    """Two runs in one folder would leave a mixture of both."""
    with ExitStack() as resources:
        if processes.is_first:
            resources.enter_context(sole_writer(folder / LOCK_NAME, folder))
        yield


def _begin(task: _Task, run: Run, clips: OpenedSplit) -> None:
    """Write down what a new run begins with."""
    if run.processes.is_first:
        _claim(task.folder, task.experiment)
    counts = {"n_train_clips": clips.n_train_clips, "n_valid_clips": clips.n_valid_clips}
    run.log.write(event="data", **counts, broken=clips.broken, notes=list(task.split.train.notes))
    run.save()


def _claim(folder: Path, experiment: Experiment) -> None:
    """Take a folder for the run and write down what it does."""
    _refuse_used(folder)
    (folder / LOG_NAME).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / EXPERIMENT_NAME) as temporary:
        temporary.write_text(json.dumps(dataclasses.asdict(experiment), indent=2) + "\n", encoding="utf-8")


def _provenance(experiment: Experiment, clips: OpenedSplit) -> dict[str, str]:
    return {
        "made_with": f"htsat {htsat.__version__}, torch {torch.__version__}, Python {sys.version.split()[0]}",
        "trained_on": f"{clips.n_train_clips} clips",
        "experiment": json.dumps(dataclasses.asdict(experiment)),
    }
