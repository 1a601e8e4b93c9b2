"""How far a student is from its teacher (Hinton et al., 2015).

B clips, T frames, K classes.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from htsat.scores import Task
from htsat.training.experiment import Teaching


def teacher_probabilities(answers: Tensor, settings: Teaching, task: Task) -> Tensor:
    """What a teacher believes, softened by the temperature, in float32.

    These can be mixed as targets are; logits cannot. Shape: `(B, K)`, of multi-label frames `(B, T, K)` ->
    the same.
    """
    softened = answers.float() / settings.temperature
    return softened.softmax(dim=1) if task == "multi_class" else softened.sigmoid()


def teaching_loss(logits: Tensor, probabilities: Tensor, settings: Teaching, task: Task) -> Tensor:
    """How far the student is from its teacher.

    Shape: both `(B, K)`, of multi-label frames both `(B, T, K)` -> `()`.

    Multi-label: binary cross-entropy, the mean over all, with the student's logits softened alike.
    Multi-class: Kullback-Leibler divergence from the teacher, times the squared temperature, so that its
    gradient keeps its size beside that of the labels.
    """
    softened = logits.float() / settings.temperature
    if task == "multi_label":
        return F.binary_cross_entropy_with_logits(softened, probabilities)
    divergence = F.kl_div(softened.log_softmax(dim=1), probabilities, reduction="batchmean")
    return settings.temperature**2 * divergence
