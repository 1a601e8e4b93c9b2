"""The training loop: draw, change, hear, compare, step.

B clips, L samples, K classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from htsat.data.dataset import TrainingClips
from htsat.data.sampling import ClipSampler
from htsat.errors import HtsatError
from htsat.network import HTSAT
from htsat.training.averaging import ExponentialAverage
from htsat.training.batches import Batch, load_parts
from htsat.training.experiment import Experiment
from htsat.training.log import Log
from htsat.training.losses import clip_loss
from htsat.training.optimizer import build_optimizers
from htsat.training.schedule import learning_rate

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, kw_only=True)
class TrainerState:
    """All that moves while a trainer learns; what is drawn next follows from the step."""

    step: int
    network: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizers: list[dict[str, Any]]
    mixing_random: Tensor
    """Of mixup and SpecAugment."""
    cpu_random: Tensor
    device_random: Tensor
    """Of stochastic depth."""


class Trainer:
    """A network on its way: one call of `finish_epoch` is one pass over the training clips."""

    def __init__(
        self,
        fabric: Fabric,
        network: HTSAT,
        clips: TrainingClips,
        sampler: ClipSampler,
        experiment: Experiment,
    ) -> None:
        self._fabric = fabric
        self._experiment = experiment
        self._settings = experiment.optimisation
        self._sampler = sampler
        self._loader = fabric.setup_dataloaders(
            load_parts(clips, sampler, experiment), use_distributed_sampler=False
        )
        self._network, *self._optimizers = fabric.setup(network, *build_optimizers(network, self._settings))
        self._average = ExponentialAverage(network, self._settings.ema_decay)
        self._generator = torch.Generator().manual_seed(experiment.seed)
        self._steps_per_epoch = max(1, len(self._loader) // self._settings.accumulate)
        self._step = 0

    @property
    def averaged(self) -> HTSAT:
        """The running mean of the network: what is evaluated and saved."""
        return self._average.network

    @property
    def n_epochs(self) -> float:
        """Epochs that are behind it, the last one maybe in part."""
        return self._step / self._steps_per_epoch

    def state(self) -> TrainerState:
        """What `restore` needs; the tensors are those in use, not copies."""
        return TrainerState(
            step=self._step,
            network=self._network.module.state_dict(),
            average=self._average.network.state_dict(),
            optimizers=[optimizer.state_dict() for optimizer in self._optimizers],
            mixing_random=self._generator.get_state(),
            cpu_random=torch.get_rng_state(),
            device_random=_random_of(self._fabric.device).get_rng_state(),
        )

    def restore(self, state: TrainerState) -> None:
        """Stand where another trainer of the same experiment and clips stood."""
        self._step = state.step
        self._network.module.load_state_dict(state.network)
        self._average.restore(state.average, n_updates=state.step)
        for optimizer, saved in zip(self._optimizers, state.optimizers, strict=True):
            optimizer.load_state_dict(saved)
        self._generator.set_state(state.mixing_random)
        torch.set_rng_state(state.cpu_random)
        _random_of(self._fabric.device).set_rng_state(state.device_random)

    def finish_epoch(self, log: Log, checkpoint: Callable[[], None]) -> None:
        """Learn to the end of the epoch; a rest of clips that fills no batch is left for another epoch.

        `checkpoint` is called within the epoch as often as the experiment wants it.
        """
        self._network.train()
        self._sampler.epoch, n_steps_done = divmod(self._step, self._steps_per_epoch)
        self._sampler.n_drawn = n_steps_done * self._settings.batch_size
        losses: list[Tensor] = []
        began = time.monotonic()
        parts: Iterator[Batch] = iter(self._loader)  # type: ignore[arg-type]  # Fabric wraps the loader
        for step in range(n_steps_done + 1, self._steps_per_epoch + 1):
            losses += [self._learn(part) for part in islice(parts, self._settings.accumulate)]
            self._move()
            is_last = step == self._steps_per_epoch
            is_kept = self._is_each(self._experiment.checkpoint_every_steps) and not is_last
            # Nothing is left to be logged when a checkpoint is written.
            if is_last or is_kept or self._is_each(self._experiment.log_every):
                self._write(log, losses, time.monotonic() - began)
                losses, began = [], time.monotonic()
            if is_kept:
                checkpoint()

    def _is_each(self, n_steps: int | None) -> bool:
        return n_steps is not None and self._step % n_steps == 0

    def _write(self, log: Log, losses: list[Tensor], elapsed_s: float) -> None:
        mean = torch.stack(losses).mean().item()
        if not math.isfinite(mean):
            raise HtsatError(
                f"the loss became {mean} before step {self._step}; the saved models are untouched"
            )
        n_clips = len(losses) * self._settings.batch_size / self._settings.accumulate
        log.write(
            event="step",
            step=self._step,
            epoch=round(self.n_epochs, 3),
            loss=mean,
            learning_rate=self._learning_rate(),
            clips_per_s=round(n_clips / elapsed_s, 1),
        )

    def _learn(self, part: Batch) -> Tensor:
        """Hear a part of a batch and add to the gradients."""
        experiment = self._experiment
        waveform, target = experiment.mixup(part.waveform, part.target, self._generator)
        output = self._network(waveform, lambda log_mel: experiment.spec_augment(log_mel, self._generator))
        loss = clip_loss(output.clip_logits, target, experiment.task, self._settings.label_smoothing)
        self._fabric.backward(loss / self._settings.accumulate)
        return loss.detach()

    def _learning_rate(self) -> float:
        total_steps = self._settings.epochs * self._steps_per_epoch
        batch_size = self._settings.batch_size
        return learning_rate(self._settings, self._step * batch_size, total_steps * batch_size)

    def _move(self) -> None:
        """One step of the weights along their gradients, and of their running mean."""
        rate = self._learning_rate()
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            self._clip(optimizer)
            optimizer.step()
            optimizer.zero_grad()
        self._average.update(self._network.module)
        self._step += 1

    def _clip(self, optimizer: torch.optim.Optimizer) -> None:
        """Shorten a long gradient; one that is not finite shows in the next line of the log, ending it."""
        self._fabric.clip_gradients(
            self._network, optimizer, max_norm=self._settings.clip_norm, error_if_nonfinite=False
        )


def _random_of(device: torch.device) -> Any:
    """The module that holds a device's own generator."""
    return torch if device.type == "cpu" else torch.get_device_module(device)
