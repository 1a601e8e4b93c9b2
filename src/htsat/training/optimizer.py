"""The optimisers: what moves which weights, and which weights decay."""

from __future__ import annotations

import torch
from torch import nn

from htsat.training.experiment import Optimisation


def build_optimizers(network: nn.Module, settings: Optimisation) -> list[torch.optim.Optimizer]:
    """One or two optimisers that share the learning rate.

    `adamw` moves everything by AdamW. `muon` moves the matrices inside the transformer by Muon (Jordan et
    al., 2024), whose steps are orthogonal matrices scaled to the size of AdamW's, and the rest by AdamW.

    Only weights of layers decay. The official code decays everything (official behaviour 9); the Swin recipe
    it started from spares norms, biases and position biases too.
    """
    matrices, other_weights, spared = _grouped(network)
    if settings.optimizer == "adamw":
        return [_adamw(matrices + other_weights, spared, settings)]
    muon = torch.optim.Muon(
        matrices,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        momentum=0.95,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, _adamw(other_weights, spared, settings)]


def _grouped(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """Matrices of linear layers; other weights that decay; what is spared from decay."""
    matrices, other_weights, spared = [], [], []
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2 or name.endswith("bias_table"):
            spared.append(parameter)
        elif parameter.ndim == 2 and not name.startswith("head."):
            matrices.append(parameter)
        else:
            other_weights.append(parameter)
    return matrices, other_weights, spared


def _adamw(
    decayed: list[nn.Parameter], spared: list[nn.Parameter], settings: Optimisation
) -> torch.optim.AdamW:
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.999), fused=True)
