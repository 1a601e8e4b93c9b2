"""How well a network hears clips that it does not learn from.

B clips at a time, N clips, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from htsat.data.dataset import EvaluationClips, Sample
from htsat.errors import AudioError, DataError, HtsatError
from htsat.metrics.clip_based import accuracy, mean_average_precision
from htsat.network import HTSAT
from htsat.processes import ALONE, Processes
from htsat.scores import FloatArray, Task, probabilities
from htsat.training.losses import clip_loss


class Evaluation(NamedTuple):
    """Scores on held-out clips; accuracy is meant for clips of one class, mAP for any.

    The mAP is NaN where no clip has any class.
    """

    loss: float
    accuracy: float
    mean_average_precision: float


class _Heard(NamedTuple):
    """A clip's answer and what it should have been; None for one that could not be read. Shape: `(K,)`."""

    logits: FloatArray | None
    target: FloatArray | None


def evaluate_clips(
    network: HTSAT,
    clips: EvaluationClips,
    task: Task,
    batch_size: int,
    processes: Processes = ALONE,
) -> Evaluation:
    """Loss without smoothing, accuracy and mAP on held-out clips, shared by the processes.

    Clips that cannot be read do not count.

    Raises:
        DataError: when none can.
        HtsatError: when answers of the network are not finite.
    """
    logits, targets = score_clips(network, clips, batch_size, processes)
    loss = clip_loss(torch.from_numpy(logits), torch.from_numpy(targets), task, label_smoothing=0.0)
    scores = probabilities(logits, task)
    return Evaluation(loss.item(), accuracy(scores, targets), mean_average_precision(scores, targets))


def score_clips(
    network: HTSAT, clips: EvaluationClips, batch_size: int, processes: Processes = ALONE
) -> tuple[FloatArray, FloatArray]:
    """Clip logits and targets of all clips that can be read, in float32. Shape: both `(N, K)`."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    heard = processes.gather(list(_hear(network, clips, batch_size, processes)))
    for module in training:  # not all were: frozen parts stay as they are
        module.training = True
    logits = [clip.logits for clip in heard if clip.logits is not None]
    targets = [clip.target for clip in heard if clip.target is not None]
    if not logits:
        raise DataError(f"none of the {len(clips)} held-out clips can be read")
    n_bad = sum(not np.isfinite(row).all() for row in logits)
    if n_bad:
        raise HtsatError(f"the network's answers to {n_bad} of {len(logits)} held-out clips are not finite")
    return np.stack(logits), np.stack(targets)


@torch.inference_mode()
def _hear(network: HTSAT, clips: EvaluationClips, batch_size: int, processes: Processes) -> Iterator[_Heard]:
    """Hear the share of this process."""
    device = next(network.parameters()).device
    own = processes.share(range(len(clips)))
    for start in range(0, len(own), batch_size):
        samples = [_read(clips, index) for index in own[start : start + batch_size]]
        readable = [sample for sample in samples if sample is not None]
        yield from [_Heard(None, None)] * (len(samples) - len(readable))
        if readable:
            waveforms = torch.from_numpy(np.stack([sample.waveform for sample in readable]))
            logits = network(waveforms.to(device)).clip_logits.float().cpu().numpy()
            yield from (_Heard(row, sample.target) for row, sample in zip(logits, readable, strict=True))


def _read(clips: EvaluationClips, index: int) -> Sample | None:
    try:
        return clips[index]
    except AudioError:
        return None
