"""How well a network hears clips that it does not learn from.

N clips, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from htsat.data.dataset import EvaluationClips
from htsat.metrics.clip_based import accuracy, mean_average_precision
from htsat.network import HTSAT
from htsat.scores import FloatArray, Task, probabilities
from htsat.training.batches import collate
from htsat.training.losses import clip_loss


class Evaluation(NamedTuple):
    """Scores on held-out clips; accuracy is meant for clips of one class, mAP for any."""

    loss: float
    accuracy: float
    mean_average_precision: float


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
