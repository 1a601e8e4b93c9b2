"""What training minimises: always from clip logits, always in float32.

B clips, K classes.
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
    logits = clip_logits.float()
    if task == "multi_class":
        return F.cross_entropy(logits, target, label_smoothing=label_smoothing)
    smooth = target * (1 - label_smoothing) + label_smoothing / target.shape[1]
    return F.binary_cross_entropy_with_logits(logits, smooth)
