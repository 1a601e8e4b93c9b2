"""A run: epoch after epoch into its folder, from where it stands."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from lightning.fabric import Fabric
from torch import Tensor

from htsat.checkpoints import ModelCard, save_model
from htsat.checkpoints.problems import some
from htsat.data.dataset import EvaluationClips
from htsat.errors import HtsatError
from htsat.processes import Processes
from htsat.training.experiment import Experiment
from htsat.training.log import Log
from htsat.training.loop import Trainer
from htsat.training.origin import Origin
from htsat.training.state import STATE_NAME, Ranked, RunState, write_state
from htsat.training.validation import Evaluation, evaluate_clips

MODEL_NAME = "model.safetensors"
BEST_NAME = "best.safetensors"
TOP_FOLDER = "top"


class Pace:
    """What the next line of the log says of the steps since the last one."""

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._began = time.monotonic()

    def add(self, loss: Tensor) -> None:
        """Take note of a step."""
        self._losses.append(loss)

    def read(self, fabric: Fabric) -> tuple[float, float]:
        """Mean loss over all processes, and seconds for a step; begins anew."""
        loss = cast("Tensor", fabric.all_reduce(torch.stack(self._losses).mean(), reduce_op="mean"))
        step_s = (time.monotonic() - self._began) / len(self._losses)
        self._losses, self._began = [], time.monotonic()
        return loss.item(), step_s


@dataclass
class Run:
    """A trainer, what its model is measured with, and the folder that both are written to.

    All processes of a run do the same; the first one writes.
    """

    folder: Path
    experiment: Experiment
    origin: Origin
    fabric: Fabric
    processes: Processes
    trainer: Trainer
    valid: EvaluationClips | None
    card: ModelCard
    log: Log
    top: list[Ranked] = field(default_factory=list)
    """Models kept, the best first."""
    best_mean_average_precision: float = -math.inf
    evaluation: Evaluation | None = None
    """The last one."""
    saved_step: int = 0
    """Of the last state that was written."""

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are behind it."""
        return self.trainer.n_epochs >= self.experiment.optimisation.epochs

    def go_on(self) -> None:
        """Learn until the last epoch."""
        pace = Pace()
        while not self.is_finished:
            for outcome in self.trainer.finish_epoch():
                pace.add(outcome.loss)
                if outcome.broken:
                    self.log.write(event="broken", step=self.trainer.step, broken=outcome.broken)
                if self._is_log_due():
                    self._write_pace(pace)
                if self._is_epoch_over() or self._is_evaluation_due():
                    self._save_model(MODEL_NAME)
                if self._is_evaluation_due():
                    self._evaluate()
                if self._is_checkpoint_due():
                    self.save()

    def save(self) -> None:
        """Write down where the run stands."""
        trainer = self.trainer.state()
        self.saved_step = trainer.step
        if not self.processes.is_first:
            return
        state = RunState(
            origin=self.origin,
            trainer=trainer,
            top=self.top,
            best_mean_average_precision=self.best_mean_average_precision,
            evaluation=self.evaluation,
            log_bytes=self.log.secured_bytes(),
            is_finished=self.is_finished,
        )
        write_state(self.folder, state)

    def restore(self, state: RunState) -> None:
        """Stand where the run stood; what was written after that, or only in part, goes."""
        self.trainer.restore(state.trainer)
        self.saved_step = state.trainer.step
        self.top = list(state.top)
        self.best_mean_average_precision = state.best_mean_average_precision
        self.evaluation = state.evaluation
        if self.processes.is_first:
            self.log.cut_back(state.log_bytes)
            self._drop_unfinished()

    def _drop_unfinished(self) -> None:
        for name in (STATE_NAME, MODEL_NAME, BEST_NAME):
            for unfinished in self.folder.glob(f".{name}.*"):
                unfinished.unlink()
        kept = {ranked.name for ranked in self.top}
        for path in (self.folder / TOP_FOLDER).glob("*.safetensors"):
            if path.name not in kept:
                path.unlink()

    def _is_each(self, n_steps: int | None) -> bool:
        return n_steps is not None and self.trainer.step % n_steps == 0

    def _is_each_epochs(self, n_epochs: float) -> bool:
        return self.is_finished or self._is_each(max(1, round(n_epochs * self.trainer.steps_per_epoch)))

    def _is_epoch_over(self) -> bool:
        return self._is_each(self.trainer.steps_per_epoch)

    def _is_evaluation_due(self) -> bool:
        return self.valid is not None and self._is_each_epochs(self.experiment.evaluate_every)

    def _is_checkpoint_due(self) -> bool:
        experiment = self.experiment
        within = self._is_each(experiment.checkpoint_every_steps) and not self._is_epoch_over()
        return within or self._is_each_epochs(experiment.checkpoint_every)

    def _is_log_due(self) -> bool:
        """Nothing is left to be logged when something else is written."""
        is_written = self._is_epoch_over() or self._is_evaluation_due() or self._is_checkpoint_due()
        return is_written or self._is_each(self.experiment.log_every)

    def _refuse_fault(self) -> None:
        """Stop where numbers have failed, before anything is written: what is there stays good."""
        fault = self.trainer.find_fault(self.processes)
        if fault is None:
            return
        epoch = round(fault.step / self.trainer.steps_per_epoch, 3)
        self.log.write(event="fault", step=fault.step, epoch=epoch, what=fault.what, clips=list(fault.clips))
        heard = f", with {some(fault.clips)}" if fault.clips else ""
        raise HtsatError(
            f"{fault.what} in step {fault.step} (epoch {epoch:g}){heard}; "
            f"{self.folder / STATE_NAME} of step {self.saved_step} is good"
        )

    def _write_pace(self, pace: Pace) -> None:
        self._refuse_fault()
        loss, step_s = pace.read(self.fabric)
        trainer, settings = self.trainer, self.experiment.optimisation
        n_steps_left = settings.epochs * trainer.steps_per_epoch - trainer.step
        self.log.write(
            event="step",
            step=trainer.step,
            epoch=round(trainer.n_epochs, 3),
            loss=loss,
            learning_rate=trainer.learning_rate,
            clips_per_s=round(settings.batch_size / step_s, 1),
            time_left_s=round(n_steps_left * step_s),
        )

    def _save_model(self, name: str) -> None:
        network = self.trainer.averaged
        if self.processes.is_first:
            save_model(self.folder / name, network, self.card)

    def _evaluate(self) -> None:
        assert self.valid is not None
        task = self.card.task
        evaluation = evaluate_clips(
            self.trainer.averaged, self.valid, task, self.experiment.optimisation.batch_size, self.processes
        )
        self.evaluation = evaluation
        epoch = round(self.trainer.n_epochs, 3)
        self.log.write(
            event="evaluation", step=self.trainer.step, epoch=epoch, task=task, **evaluation._asdict()
        )
        self._keep(evaluation.mean_average_precision)

    def _keep(self, score: float) -> None:
        """Keep the model if it is one of the best; a score that does not exist (NaN) is none."""
        if math.isnan(score):
            return
        if score > self.best_mean_average_precision:
            self.best_mean_average_precision = score
            self._save_model(BEST_NAME)
        ranked = Ranked(score, f"step-{self.trainer.step:08d}.safetensors")
        ranking = sorted([*self.top, ranked], key=lambda entry: -entry.mean_average_precision)
        self.top = ranking[: self.experiment.keep_top]
        if ranked in self.top:
            self._save_model(f"{TOP_FOLDER}/{ranked.name}")
        if self.processes.is_first:
            for entry in ranking[self.experiment.keep_top :]:
                (self.folder / TOP_FOLDER / entry.name).unlink(missing_ok=True)
