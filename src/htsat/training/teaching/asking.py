"""Letting teachers hear the clips that training will draw.

B clips, L samples.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader

from htsat.data.dataset import Draw, Sample
from htsat.labels import LabelSet
from htsat.scores import FloatArray
from htsat.training.teaching.teachers import Teacher, ask
from htsat.training.teaching.writer import AnswerWriter

_SECURE_EVERY_S = 10.0


class Answered(NamedTuple):
    """A batch of answers that were written, and why clips of it could not be read."""

    n_crops: int
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Pace:
    """How many clips are heard at once, and how many processes prepare them."""

    batch_size: int = 8
    n_workers: int = 0


def write_answers(
    writer: AnswerWriter, crops: DrawnClips, teachers: Sequence[Teacher], pace: Pace = Pace()
) -> Iterator[Answered]:
    """Let teachers answer all that is not answered yet, batch by batch.

    Batches lie the same way after a stop, so that what is written is the same to the last bit.

    Args:
        writer: takes the answers.
        crops: the clips as training draws them, one for each that the writer's plan counts.
        teachers: one, or several that answer together.
        pace: of the work; it changes no answer but by rounding.

    Raises:
        DataError: when a teacher's answers are not finite numbers of the right shape, or cannot be written.
    """
    questions, labels = writer.plan.questions, LabelSet(writer.plan.questions.labels)
    loader = _load(crops, _Draws(writer.n_done, writer.plan.sizes.n_answers, len(crops)), pace)
    secured_s = time.monotonic()
    for batch in loader:
        sound = (batch.waveforms, questions.sample_rate)
        writer.add(batch.seeds, ask(teachers, *sound, labels, questions.task, writer.plan.n_frames))
        if time.monotonic() - secured_s > _SECURE_EVERY_S:
            writer.secure()
            secured_s = time.monotonic()
        yield Answered(len(batch.seeds), batch.broken)


class DrawnClips(Protocol):
    """Clips as training draws them (`htsat.data.dataset.TrainingClips`)."""

    def __len__(self) -> int: ...

    def __getitem__(self, draw: Draw) -> Sample: ...


@dataclass(frozen=True)
class _Draws:
    """Clip by clip and pass by pass, without the first ones."""

    n_done: int
    n_all: int
    n_clips: int

    def __len__(self) -> int:
        return self.n_all - self.n_done

    def __iter__(self) -> Iterator[Draw]:
        return (Draw(*divmod(number, self.n_clips)) for number in range(self.n_done, self.n_all))


class _Crops(NamedTuple):
    """Shape: `waveforms` `(B, L)`."""

    waveforms: FloatArray
    seeds: tuple[int, ...]
    broken: tuple[str, ...]


def _join(samples: Sequence[Sample]) -> _Crops:
    return _Crops(
        np.stack([sample.waveform for sample in samples]),
        tuple(sample.seed for sample in samples),
        tuple(reason for sample in samples for reason in sample.broken),
    )


def _load(crops: DrawnClips, draws: _Draws, pace: Pace) -> DataLoader[_Crops]:
    return DataLoader(
        crops,  # type: ignore[arg-type]  # drawn by Draw, not by a bare index
        batch_size=pace.batch_size,
        sampler=draws,
        collate_fn=_join,
        num_workers=pace.n_workers,
        generator=torch.Generator(),  # its own, which takes no number from that of others
    )
