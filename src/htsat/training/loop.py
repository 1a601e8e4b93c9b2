"""The training loop: draw, change, hear, compare, step.

B clips, L samples, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from htsat.data.dataset import TrainingClips
from htsat.data.sampling import ClipSampler, PartSampler
from htsat.network import HTSAT, HTSATOutput
from htsat.processes import Processes
from htsat.training.averaging import build_average
from htsat.training.batches import Batch, LookUp, load_parts
from htsat.training.experiment import Experiment
from htsat.training.faults import Fault, FaultWatch, are_finite
from htsat.training.losses import clip_loss, consistency_loss, frame_loss, tagged_loss
from htsat.training.mixing import Mix, draw_changes
from htsat.training.optimizer import build_optimizers, set_trainable
from htsat.training.parallel import (
    full_optimizer_state,
    full_state,
    load_full_optimizer_state,
    load_full_state,
    place,
    prepare_network,
    whole,
)
from htsat.training.schedule import Progress, learning_rate
from htsat.training.teaching import probabilities_in_frames, teacher_probabilities, teaching_loss

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True, kw_only=True)
class TrainerState:
    """All that moves while a trainer learns; what is drawn next follows from the step."""

    step: int
    network: dict[str, Tensor]
    averages: list[dict[str, Tensor]]
    """Of the copies that hold the mean of the weights."""
    n_averaged: int
    optimizers: list[dict[str, Any]]
    loss_scale: dict[str, Any]
    """Empty where there is none."""


class StepOutcome(NamedTuple):
    """Mean loss of a step over the clips of this process, and why some of them could not be heard."""

    loss: Tensor
    broken: list[str]


@dataclass(frozen=True)
class Lessons:
    """What a network learns from: clips, the order they come in, and a teacher's answers to them, if any."""

    clips: TrainingClips
    sampler: ClipSampler
    answers: LookUp | None = None


class Trainer:
    """A network on its way: one turn of the loop over `finish_epoch` is one step."""

    def __init__(self, fabric: Fabric, network: HTSAT, lessons: Lessons, experiment: Experiment) -> None:
        self._fabric = fabric
        self._experiment = experiment
        self._settings = experiment.optimisation
        self._clips = lessons.clips
        self._parts = PartSampler(
            lessons.sampler,
            self._settings.batch_size,
            self._settings.accumulate,
            Processes(fabric.global_rank, fabric.world_size),
        )
        loader = load_parts(lessons.clips, self._parts, experiment.n_workers, lessons.answers)
        self._loader = fabric.setup_dataloaders(loader, use_distributed_sampler=False)
        has_loss_scale = getattr(fabric.strategy.precision, "scaler", None) is not None
        self._faults = FaultWatch(has_loss_scale=has_loss_scale)
        prepare_network(network, experiment, fabric)
        self._average = build_average(network, self._settings)
        for copy in self._average.copies:
            place(copy, fabric)
        self.step = 0
        """Steps that are behind it."""
        # All that learns in any epoch: processes join only the gradients of what learns when they are set up.
        set_trainable(network, only_head=self._settings.learn == "head")
        self._learning = network
        self._network = fabric.setup_module(network)
        self._optimizers = [
            cast("torch.optim.Optimizer", fabric.setup_optimizers(optimizer))
            for optimizer in build_optimizers(network, self._settings, has_loss_scale=has_loss_scale)
        ]

    @property
    def averaged(self) -> HTSAT:
        """What is evaluated and saved: the mean of the weights, or the weights themselves.

        All processes must ask for it together.
        """
        return whole(self._average.network)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of an epoch."""
        return self._parts.n_batches

    @property
    def n_epochs(self) -> float:
        """Epochs that are behind it, the last one maybe in part."""
        return self.step / self.steps_per_epoch

    @property
    def progress(self) -> Progress:
        """The same in clips."""
        batch_size = self._settings.batch_size
        return Progress(self.step * batch_size, self.steps_per_epoch * batch_size)

    @property
    def learning_rate(self) -> float:
        """Of the next step, before what single layers make of it."""
        return learning_rate(self._settings, self.progress)

    def state(self) -> TrainerState:
        """What `restore` needs; the tensors are those in use where they need not be gathered."""
        return TrainerState(
            step=self.step,
            network=full_state(self._learning),
            averages=[full_state(copy) for copy in self._average.copies],
            n_averaged=self._average.n_updates,
            optimizers=[full_optimizer_state(optimizer) for optimizer in self._optimizers],
            loss_scale=self._fabric.strategy.precision.state_dict(),
        )

    def restore(self, state: TrainerState) -> None:
        """Stand where another trainer of the same experiment and clips stood."""
        self.step = state.step
        load_full_state(self._learning, state.network)
        for copy, weights in zip(self._average.copies, state.averages, strict=True):
            load_full_state(copy, weights)
        self._average.n_updates = state.n_averaged
        for optimizer, saved in zip(self._optimizers, state.optimizers, strict=True):
            load_full_optimizer_state(optimizer, saved)
        if state.loss_scale:
            self._fabric.strategy.precision.load_state_dict(state.loss_scale)

    def find_fault(self, processes: Processes) -> Fault | None:
        """The first loss or gradient since the last question that is not finite; or weights that are not.

        The same in all processes, which must ask together, after a step and before anything is kept.
        """
        fault = self._faults.find(self._fabric, processes)
        if fault is None and not are_finite(self._tensors(), self._fabric):
            return Fault(self.step, "weights not finite")
        return fault

    def _tensors(self) -> Iterator[Tensor]:
        """All that a state holds, as this process has it."""
        for network in (self._learning, *self._average.copies):
            yield from network.state_dict().values()
        for optimizer in self._optimizers:
            for moments in optimizer.state.values():
                yield from (moment for moment in moments.values() if isinstance(moment, Tensor))

    def finish_epoch(self) -> Iterator[StepOutcome]:
        """Learn to the end of the epoch, a step each time the next outcome is asked for."""
        self._parts.epoch, self._parts.n_batches_done = divmod(self.step, self.steps_per_epoch)
        set_trainable(self._learning, only_head=self._learns_only_head())
        parts: Iterator[Batch] = iter(self._loader)  # type: ignore[arg-type]  # Fabric wraps the loader
        for _ in range(self._parts.n_batches_done, self.steps_per_epoch):
            yield self._take_step(list(islice(parts, self._settings.accumulate)))

    def _learns_only_head(self) -> bool:
        return self._settings.learn == "head" or self.progress.epoch < self._settings.head_epochs

    def _take_step(self, parts: list[Batch]) -> StepOutcome:
        losses = []
        for number, part in enumerate(parts):
            is_last = number + 1 == len(parts)
            with self._fabric.no_backward_sync(self._network, enabled=not is_last):
                losses.append(self._learn(part, number))
            self._faults.note_loss(self.step + 1, losses[-1], self._titles([part]))
        self._move(self._titles(parts))
        return StepOutcome(torch.stack(losses).mean(), [reason for part in parts for reason in part.broken])

    def _learn(self, part: Batch, number: int) -> Tensor:
        """Hear a part of a batch and add to the gradients."""
        torch.manual_seed(self._seed_of(number))
        experiment = self._experiment
        mix = experiment.mixup.draw(part.seeds, part.waveform.device)
        changes = draw_changes(part.seeds, mix, experiment.spec_augment, experiment.mix_style)
        waveform = mix.waveforms(part.waveform)
        output = self._network(waveform, changes)
        loss = self._clip_loss(output.clip_logits.float(), part, mix)
        loss = loss + experiment.detection.weight * self._frame_loss(output.frame_logits.float(), part, mix)
        weight = experiment.detection.consistency_at(self.progress.clips_seen)
        if weight:
            loss = loss + weight * self._distance_from_mean(output, waveform, mix)
        self._fabric.backward(loss / self._settings.accumulate)
        return loss.detach()

    def _clip_loss(self, clip_logits: Tensor, part: Batch, mix: Mix) -> Tensor:
        experiment, teaching = self._experiment, self._experiment.teaching
        target, smoothing = mix.targets(part.target), self._settings.label_smoothing
        if part.moments is None:
            loss = clip_loss(clip_logits, target, experiment.resolved_task, smoothing)
        else:
            loss = tagged_loss(clip_logits, target, mix.known(part.moments.is_tagged), smoothing)
        if part.answers is None:
            return loss
        answers = teacher_probabilities(part.answers.clips, teaching, experiment.resolved_task)
        return self._beside_teacher(loss, clip_logits, mix.targets(answers))

    def _frame_loss(self, frame_logits: Tensor, part: Batch, mix: Mix) -> Tensor:
        """Zero where neither labels nor a teacher tell of frames."""
        loss = frame_logits.new_zeros(())
        if part.moments is not None:
            known = mix.known(part.moments.known)
            loss = frame_loss(frame_logits, mix.targets(part.moments.frames), known)
        if part.answers is None or part.answers.frames is None:
            return loss
        teaching, task = self._experiment.teaching, self._experiment.resolved_task
        answers = teacher_probabilities(part.answers.frames, teaching, task)
        answers = probabilities_in_frames(answers, frame_logits.shape[1])
        return self._beside_teacher(loss, frame_logits, mix.targets(answers))

    def _beside_teacher(self, loss: Tensor, logits: Tensor, answers: Tensor) -> Tensor:
        """What compares with labels, and what compares with the probabilities of a teacher."""
        teaching = self._experiment.teaching
        distance = teaching_loss(logits, answers, teaching, self._experiment.resolved_task)
        return (1 - teaching.weight) * loss + teaching.weight * distance

    def _distance_from_mean(self, output: HTSATOutput, waveform: Tensor, mix: Mix) -> Tensor:
        """From the mean teacher, which hears the same mixtures without stripes."""
        with torch.no_grad():
            taught = self._average.network(waveform, mix.log_mels)
        return consistency_loss(output.clip_logits, taught.clip_logits) + consistency_loss(
            output.frame_logits, taught.frame_logits
        )

    def _seed_of(self, part: int) -> int:
        """Of stochastic depth: every part of every step and every process has its own."""
        entropy = (self._experiment.seed, self.step, part, self._fabric.global_rank)
        return int(np.random.SeedSequence(entropy).generate_state(1)[0])

    def _titles(self, parts: Sequence[Batch]) -> list[str]:
        return [self._clips.title(clip) for part in parts for clip in part.clips]

    def _move(self, clips: Sequence[str]) -> None:
        """One step of the weights along their gradients, which come from these clips, and of their mean."""
        rate, norms = self.learning_rate, []
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["factor"]
            norm = self._fabric.clip_gradients(
                self._network, optimizer, max_norm=self._settings.clip_norm, error_if_nonfinite=False
            )
            norms.append(cast("Tensor", norm))
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self._faults.note_gradient(self.step, norms, clips)
        if self._average.is_due(self.progress):
            self._average.update(self._learning)
