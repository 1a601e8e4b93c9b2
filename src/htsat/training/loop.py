"""The training loop: draw, change, hear, compare, step; then listen to the held-out clips.

B clips, L samples, K classes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from htsat.data.dataset import EvaluationClips, Sample, TrainingClips
from htsat.data.sampling import ShuffledClips
from htsat.errors import HtsatError
from htsat.metrics.clip_based import accuracy, mean_average_precision
from htsat.network import HTSAT
from htsat.scores import FloatArray, Task, probabilities
from htsat.training.averaging import ExponentialAverage
from htsat.training.experiment import Experiment
from htsat.training.losses import clip_loss
from htsat.training.optimizer import build_optimizers
from htsat.training.schedule import learning_rate

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class Batch(NamedTuple):
    """Shape: `waveform` `(B, L)`, `target` `(B, K)`."""

    waveform: Tensor
    target: Tensor


def collate(samples: Sequence[Sample]) -> Batch:
    """Join samples to a batch."""
    waveforms = torch.from_numpy(np.stack([sample.waveform for sample in samples]))
    return Batch(waveforms, torch.from_numpy(np.stack([sample.target for sample in samples])))


class Evaluation(NamedTuple):
    """Scores on held-out clips; accuracy is meant for clips of one class, mAP for any."""

    loss: float
    accuracy: float
    mean_average_precision: float


@dataclass
class Log:
    """One JSON line per event, appended to the run's `log.jsonl` and handed to whoever watches."""

    path: Path
    watch: Callable[[dict[str, object]], None]

    def write(self, **event: object) -> None:
        """Append an event and flush it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        self.watch(event)


class Trainer:
    """A network on its way: one call of `epoch` is one pass over the training clips."""

    def __init__(self, fabric: Fabric, network: HTSAT, clips: TrainingClips, experiment: Experiment) -> None:
        self._fabric = fabric
        self._experiment = experiment
        self._settings = experiment.optimisation
        self._sampler = ShuffledClips(len(clips), experiment.seed)
        self._loader = fabric.setup_dataloaders(
            DataLoader(
                clips,  # type: ignore[arg-type]  # drawn by Draw, not by a bare index
                batch_size=self._settings.batch_size // self._settings.accumulate,
                sampler=self._sampler,
                collate_fn=collate,
                num_workers=experiment.n_workers,
                drop_last=len(clips) >= self._settings.batch_size,
            ),
            use_distributed_sampler=False,
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

    def epoch(self, number: int, log: Log) -> None:
        """One pass over the training clips; a rest that fills no batch is left for another epoch."""
        self._network.train()
        self._sampler.epoch = number
        losses: list[Tensor] = []
        began = time.monotonic()
        parts: Iterator[Batch] = iter(self._loader)  # type: ignore[arg-type]  # Fabric wraps the loader
        for step in range(1, self._steps_per_epoch + 1):
            losses += [self._learn(part) for part in islice(parts, self._settings.accumulate)]
            self._move()
            if self._step % self._experiment.log_every == 0 or step == self._steps_per_epoch:
                self._write(log, number, step / self._steps_per_epoch, losses, time.monotonic() - began)
                losses, began = [], time.monotonic()

    def _write(self, log: Log, epoch: int, share: float, losses: list[Tensor], elapsed_s: float) -> None:
        mean = torch.stack(losses).mean().item()
        if not math.isfinite(mean):
            raise HtsatError(
                f"the loss became {mean} before step {self._step}; the saved models are untouched"
            )
        n_clips = len(losses) * self._settings.batch_size / self._settings.accumulate
        log.write(
            event="step",
            step=self._step,
            epoch=round(epoch + share, 3),
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


def score_clips(network: HTSAT, clips: EvaluationClips, batch_size: int) -> tuple[FloatArray, FloatArray]:
    """Clip logits and targets of all clips, in float32. Shape: both `(N, K)`."""
    device = next(network.parameters()).device
    logits, targets = [], []
    with torch.inference_mode():
        for start in range(0, len(clips), batch_size):
            stop = min(start + batch_size, len(clips))
            batch = collate([clips[index] for index in range(start, stop)])
            logits.append(network(batch.waveform.to(device)).clip_logits.cpu().numpy())
            targets.append(batch.target.numpy())
    return np.concatenate(logits), np.concatenate(targets)


def evaluate_clips(network: HTSAT, clips: EvaluationClips, task: Task, batch_size: int) -> Evaluation:
    """Loss without smoothing, accuracy and mAP of a network on held-out clips."""
    logits, targets = score_clips(network, clips, batch_size)
    loss = clip_loss(torch.from_numpy(logits), torch.from_numpy(targets), task, label_smoothing=0.0)
    scores = probabilities(logits, task)
    return Evaluation(loss.item(), accuracy(scores, targets), mean_average_precision(scores, targets))
