"""What training minimises, always in float32.

B clips, T frames, K classes.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from htsat.scores import Task


def clip_loss(clip_logits: Tensor, target: Tensor, task: Task, label_smoothing: float) -> Tensor:
    """Loss of a batch. Shape: both `(B, K)` -> `()`.

    Multi-label: binary cross-entropy, the mean over classes; smoothing moves every target towards 1 / K.
    Multi-class: cross-entropy with soft targets.
    """
    if task == "multi_class":
        return F.cross_entropy(clip_logits.float(), target, label_smoothing=label_smoothing)
    return F.binary_cross_entropy_with_logits(clip_logits.float(), _smoothed(target, label_smoothing))


def tagged_loss(clip_logits: Tensor, target: Tensor, is_tagged: Tensor, label_smoothing: float) -> Tensor:
    """Multi-label `clip_loss`, to which clips whose classes are not known add nothing.

    Shape: `(B, K)` twice, `is_tagged` `(B,)` -> `()`.
    """
    smooth = _smoothed(target, label_smoothing)
    losses = F.binary_cross_entropy_with_logits(clip_logits.float(), smooth, reduction="none").mean(dim=1)
    return (losses * is_tagged).mean()


def frame_loss(frame_logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy of frames, to which classes of clips that are not `known` add nothing.

    The mean is over all of them, so that what a clip counts depends on no other clip of its batch.

    Shape: `(B, T, K)` twice, `known` `(B, K)` -> `()`.
    """
    losses = F.binary_cross_entropy_with_logits(frame_logits.float(), target, reduction="none").mean(dim=1)
    return (losses * known).mean()


def consistency_loss(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Mean squared distance of probabilities from those of the mean teacher (Tarvainen and Valpola, 2017).

    Shape: both the same, any -> `()`.
    """
    return F.mse_loss(logits.float().sigmoid(), teacher_logits.float().sigmoid())


def _smoothed(target: Tensor, label_smoothing: float) -> Tensor:
    return target * (1 - label_smoothing) + label_smoothing / target.shape[1]
