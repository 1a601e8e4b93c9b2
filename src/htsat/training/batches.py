"""Batches of labelled clips.

B clips, L samples, T frames, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from htsat.data.dataset import Sample, TrainingClips
from htsat.data.sampling import PartSampler
from htsat.data.timeline import Moments
from htsat.scores import FloatArray
from htsat.training.teaching import Answer

LookUp = Callable[[int, int], Answer]
"""From a pass over the clips and the index of a clip to a teacher's logits."""


class Batch(NamedTuple):
    """Shape: `waveform` `(B, L)`, `target` `(B, K)`; `answers` are None where there is no teacher.

    `clips` are the indices of what is heard, `seeds` are what its random changes depend on; `broken` names
    clips that could not be read and were replaced. `moments` are None where only clips are learned from.
    """

    waveform: Tensor
    target: Tensor
    clips: tuple[int, ...]
    seeds: tuple[int, ...]
    answers: BatchAnswers | None
    broken: tuple[str, ...]
    moments: BatchMoments | None


class BatchAnswers(NamedTuple):
    """A teacher's logits. Shape: `clips` `(B, K)`, `frames` `(B, T, K)` with T of the teacher's, or None."""

    clips: Tensor
    frames: Tensor | None


class BatchMoments(NamedTuple):
    """What is known of the moments of a batch (`htsat.data.timeline.Moments`).

    Shape: `frames` `(B, T, K)`, `known` `(B, K)`, `is_tagged` `(B,)`.
    """

    frames: Tensor
    known: Tensor
    is_tagged: Tensor


class Collator:
    """Joins samples to a batch, with the answers of a teacher where there is one."""

    def __init__(self, look_up: LookUp | None = None) -> None:
        self._look_up = look_up

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        """Shape: samples of `(L,)` and `(K,)` -> `(B, L)` and `(B, K)`."""
        return Batch(
            waveform=_stacked([sample.waveform for sample in samples]),
            target=_stacked([sample.target for sample in samples]),
            clips=tuple(sample.draw.index for sample in samples),
            seeds=tuple(sample.seed for sample in samples),
            answers=self._answers(samples),
            broken=tuple(reason for sample in samples for reason in sample.broken),
            moments=_joined([sample.moments for sample in samples if sample.moments is not None]),
        )

    def _answers(self, samples: Sequence[Sample]) -> BatchAnswers | None:
        if self._look_up is None:
            return None
        answers = [self._look_up(sample.draw.epoch, sample.draw.index) for sample in samples]
        frames = [answer.frames for answer in answers if answer.frames is not None]
        return BatchAnswers(
            _stacked([answer.clip for answer in answers]), _stacked(frames) if frames else None
        )


def _joined(moments: Sequence[Moments]) -> BatchMoments | None:
    return BatchMoments(*map(_stacked, zip(*moments, strict=True))) if moments else None


def _stacked(arrays: Sequence[FloatArray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays))


def load_parts(
    clips: TrainingClips, parts: PartSampler, n_workers: int, look_up: LookUp | None = None
) -> DataLoader[Batch]:
    """The parts of the batches of an epoch, in the sampler's order."""
    return DataLoader(
        clips,  # type: ignore[arg-type]  # drawn by Draw, not by a bare index
        batch_sampler=parts,
        collate_fn=Collator(look_up),
        num_workers=n_workers,
        persistent_workers=n_workers > 0,
        # Its own: the loader draws a seed each time it begins, which would shift other draws.
        generator=torch.Generator(),
    )
