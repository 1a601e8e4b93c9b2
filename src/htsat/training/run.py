"""A run: epoch after epoch into its folder, from where it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from htsat.checkpoints import ModelCard, save_model
from htsat.data.dataset import EvaluationClips
from htsat.training.experiment import Experiment
from htsat.training.log import Log
from htsat.training.loop import Trainer
from htsat.training.origin import Origin
from htsat.training.state import STATE_NAME, RunState, write_state
from htsat.training.validation import Evaluation, evaluate_clips

MODEL_NAME = "model.safetensors"
BEST_NAME = "best.safetensors"


@dataclass
class Run:
    """A trainer, what its model is measured with, and the folder that both are written to."""

    folder: Path
    experiment: Experiment
    origin: Origin
    trainer: Trainer
    valid: EvaluationClips | None
    card: ModelCard
    log: Log
    best_mean_average_precision: float = -math.inf
    evaluation: Evaluation | None = None

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are behind it."""
        return self.trainer.n_epochs >= self.experiment.optimisation.epochs

    def go_on(self) -> Evaluation | None:
        """Learn until the last epoch; returns its evaluation."""
        while not self.is_finished:
            self.trainer.finish_epoch(self.log, self.save)
            save_model(self.folder / MODEL_NAME, self.trainer.averaged, self.card)
            if self.valid is not None and self._is_due(self.experiment.evaluate_every):
                self._evaluate(self.valid)
            if self._is_due(self.experiment.checkpoint_every):
                self.save()
        return self.evaluation

    def save(self) -> None:
        """Write down where the run stands."""
        state = RunState(
            origin=self.origin,
            trainer=self.trainer.state(),
            best_mean_average_precision=self.best_mean_average_precision,
            evaluation=self.evaluation,
            log_bytes=self.log.secured_bytes(),
            is_finished=self.is_finished,
        )
        write_state(self.folder, state)

    def restore(self, state: RunState) -> None:
        """Stand where the run stood; what was written after that, or only in part, goes."""
        self.log.cut_back(state.log_bytes)
        self.trainer.restore(state.trainer)
        self.best_mean_average_precision = state.best_mean_average_precision
        self.evaluation = state.evaluation
        for name in (STATE_NAME, MODEL_NAME, BEST_NAME):
            for unfinished in self.folder.glob(f".{name}.*"):
                unfinished.unlink()

    def _is_due(self, n_epochs: int) -> bool:
        return self.is_finished or self.trainer.n_epochs % n_epochs == 0

    def _evaluate(self, valid: EvaluationClips) -> None:
        experiment, network = self.experiment, self.trainer.averaged
        evaluation = evaluate_clips(network, valid, experiment.task, experiment.optimisation.batch_size)
        self.evaluation = evaluation
        self.log.write(event="evaluation", epoch=int(self.trainer.n_epochs) - 1, **evaluation._asdict())
        if evaluation.mean_average_precision > self.best_mean_average_precision:
            self.best_mean_average_precision = evaluation.mean_average_precision
            save_model(self.folder / BEST_NAME, network, self.card)
