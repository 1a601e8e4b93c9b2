"""The optimisers: which weights move, by what, how fast, and which of them decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import nn

from htsat.network import HTSAT
from htsat.training.experiment import Optimisation

_CLASSIFIERS = ("head", "fine_head")
"""The parts of a network that look at what the others make of a sound."""


def build_optimizers(
    network: HTSAT, settings: Optimisation, *, has_loss_scale: bool = False
) -> list[torch.optim.Optimizer]:
    """One or two optimisers. Every group of them has a `factor`, by which the learning rate is multiplied.

    `adamw` moves everything by AdamW. `muon` moves the matrices inside the transformer by Muon (Jordan et
    al., 2024), whose steps are orthogonal matrices scaled to the size of AdamW's, and the rest by AdamW.
    What does not learn in the whole run is frozen. With a loss scale (float16) AdamW is not the fused one,
    which would undo the scale itself, after the gradients were clipped.
    """
    set_trainable(network, only_head=settings.learn == "head")
    learning = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    matrices = {
        name: weight
        for name, weight in learning.items()
        if settings.optimizer == "muon" and _is_inner_matrix(name, weight)
    }
    others = {name: weight for name, weight in learning.items() if name not in matrices}
    adamw = torch.optim.AdamW(
        _groups(others, network.config.depths, settings),
        lr=settings.learning_rate,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=not has_loss_scale,
    )
    if not matrices:
        return [adamw]
    muon = torch.optim.Muon(
        _groups(matrices, network.config.depths, settings),
        lr=settings.learning_rate,
        momentum=0.95,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, adamw]


def set_trainable(network: HTSAT, *, only_head: bool) -> None:
    """Put a network into training, or only its classifiers; called in place of `network.train()`.

    What is frozen gets no gradient, and so optimisers leave it where it is: they do not let it decay either.
    It hears as in evaluation: nothing is dropped, and the statistics of `mel_norm` stay.
    """
    for name, part in network.named_children():
        learns = name in _CLASSIFIERS or not only_head
        part.train(learns).requires_grad_(learns)
    network.training = True


class _Kind(NamedTuple):
    """What parameters of one group have in common."""

    factor: float
    weight_decay: float


def _groups(
    named: Mapping[str, nn.Parameter], depths: Sequence[int], settings: Optimisation
) -> list[dict[str, Any]]:
    """Parameters with one factor of the learning rate and one decay together, in the network's order."""
    groups: dict[_Kind, list[nn.Parameter]] = {}
    for name, parameter in named.items():
        decays = settings.decay == "all" or _is_weight(name, parameter)
        kind = _Kind(
            factor=settings.layer_decay ** _layers_above(name, depths),
            weight_decay=settings.weight_decay if decays else 0.0,
        )
        groups.setdefault(kind, []).append(parameter)
    return [{"params": parameters, **kind._asdict()} for kind, parameters in groups.items()]


def _is_weight(name: str, parameter: nn.Parameter) -> bool:
    """Weights of layers; the Swin recipe spares norms, biases and position biases from decay.

    The official code lets everything decay (official behaviour 9): `decay: all`.
    """
    return parameter.ndim >= 2 and not name.endswith("bias_table")


def _is_inner_matrix(name: str, parameter: nn.Parameter) -> bool:
    is_last = name.startswith(("head.", "fine_head.classifier."))
    return parameter.ndim == 2 and _is_weight(name, parameter) and not is_last


def _layers_above(name: str, depths: Sequence[int]) -> int:
    """How many layers a parameter is below the classifier and the last norm, which have 0.

    Each block is a layer, with the merging behind it; what comes before the first block is the lowest.
    """
    part, *place = name.split(".")
    if part in ("norm", *_CLASSIFIERS):
        return 0
    n_blocks = sum(depths)
    if part != "stages":
        return n_blocks + 1
    stage = int(place[0])
    n_blocks_below = [0, *accumulate(depths)][stage]
    block = depths[stage] - 1 if place[1] == "merge" else int(place[2])
    return n_blocks - (n_blocks_below + block)
