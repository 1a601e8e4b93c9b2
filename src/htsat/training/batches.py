"""Batches of labelled clips.

B clips, L samples, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from htsat.data.dataset import Sample, TrainingClips
from htsat.data.sampling import ClipSampler
from htsat.training.experiment import Experiment


class Batch(NamedTuple):
    """Shape: `waveform` `(B, L)`, `target` `(B, K)`."""

    waveform: Tensor
    target: Tensor


def collate(samples: Sequence[Sample]) -> Batch:
    """Join samples to a batch."""
    waveforms = torch.from_numpy(np.stack([sample.waveform for sample in samples]))
    return Batch(waveforms, torch.from_numpy(np.stack([sample.target for sample in samples])))


def load_parts(clips: TrainingClips, sampler: ClipSampler, experiment: Experiment) -> DataLoader[Batch]:
    """The parts of the batches of an epoch, in the sampler's order; a rest that fills none is left out."""
    optimisation = experiment.optimisation
    return DataLoader(
        clips,  # type: ignore[arg-type]  # drawn by Draw, not by a bare index
        batch_size=optimisation.batch_size // optimisation.accumulate,
        sampler=sampler,
        collate_fn=collate,
        num_workers=experiment.n_workers,
        drop_last=len(clips) >= optimisation.batch_size,
        # Its own: the loader draws a seed each time it begins, which would shift the draws of a resumed run.
        generator=torch.Generator(),
    )
