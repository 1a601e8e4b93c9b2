"""Means of weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class ExponentialAverage(Generic[Network]):
    """Running mean of a network's weights and statistics; evaluated and saved in their place.

    The decay rises to its value as `(1 + n) / (10 + n)` over the steps, so that the random start is
    forgotten early.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self.network.requires_grad_(False)
        self._decay = decay
        self._n_updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the mean towards the present weights."""
        decay = min(self._decay, (1 + self._n_updates) / (10 + self._n_updates))
        self._n_updates += 1
        for mean, new in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(new, 1.0 - decay)
            else:
                mean.copy_(new)

    def restore(self, state: Mapping[str, Tensor], n_updates: int) -> None:
        """Stand where another mean stood after so many updates."""
        self.network.load_state_dict(state)
        self._n_updates = n_updates
