"""Means of weights, running over the steps or of the ends of epochs.

The statistics of `mel_norm`, the only batch norm, are averaged like weights. They are those of the input and
do not depend on any weight, so they need not be measured anew for a mean, as is usual after averaging.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import torch
from torch import nn

from htsat.training.experiment import Optimisation
from htsat.training.schedule import Progress

Network = TypeVar("Network", bound=nn.Module)
Network_co = TypeVar("Network_co", bound=nn.Module, covariant=True)


class Average(Protocol[Network_co]):
    """What is evaluated and saved in place of the weights that move."""

    @property
    def network(self) -> Network_co:
        """The network with the mean weights; the one that learns where there is no mean (yet)."""

    def is_due(self, progress: Progress) -> bool:
        """Whether the weights of this moment, after a step, belong to the mean."""

    def update(self, network: nn.Module) -> None:
        """Let weights into the mean."""

    n_updates: int
    """How many went into it; with the weights of the copies that is where it stands."""

    @property
    def copies(self) -> Sequence[Network_co]:
        """The networks that hold mean weights, beside the one that learns."""


def build_average(network: Network, settings: Optimisation) -> Average[Network]:
    """The mean that the settings ask for."""
    match settings.averaging:
        case "exponential":
            return ExponentialAverage(network, settings.ema_decay)
        case "uniform":
            return UniformAverage(network, begin=settings.uniform_from * settings.epochs)
        case "none":
            return NoAverage(network)


class ExponentialAverage(Generic[Network]):
    """Running mean of a network's weights and statistics over the steps.

    The decay rises to its value as `(1 + n) / (10 + n)` over the steps, so that the random start is
    forgotten early.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = _still_copy(network)
        self._decay = decay
        self.n_updates = 0

    def is_due(self, progress: Progress) -> bool:
        """After every step."""
        return True

    def update(self, network: nn.Module) -> None:
        """Move the mean towards the present weights."""
        decay = min(self._decay, (1 + self.n_updates) / (10 + self.n_updates))
        _move_towards(self.network, network, 1.0 - decay)
        self.n_updates += 1

    @property
    def copies(self) -> Sequence[Network]:
        """The mean."""
        return (self.network,)


class UniformAverage(Generic[Network]):
    """Mean of the weights at the ends of the last epochs, all alike; before them, the network as it is.

    Stochastic weight averaging (Izmailov et al., 2018).
    """

    def __init__(self, network: Network, begin: float) -> None:
        """`begin` is the number of epochs after which the mean begins."""
        self._learning = network
        self._mean = _still_copy(network)
        self._begin = begin
        self.n_updates = 0

    @property
    def network(self) -> Network:
        """The mean, or the network that learns before there is one."""
        return self._mean if self.n_updates else self._learning

    def is_due(self, progress: Progress) -> bool:
        """At the end of an epoch, after the beginning of the mean."""
        epoch, n_clips = divmod(progress.clips_seen, progress.clips_per_epoch)
        return n_clips == 0 and epoch > self._begin

    def update(self, network: nn.Module) -> None:
        """Let one more state into the mean."""
        self.n_updates += 1
        _move_towards(self._mean, network, 1.0 / self.n_updates)

    @property
    def copies(self) -> Sequence[Network]:
        """The mean."""
        return (self._mean,)


class NoAverage(Generic[Network]):
    """The network that learns itself: no second copy of the weights."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.n_updates = 0

    def is_due(self, progress: Progress) -> bool:
        """Never."""
        return False

    def update(self, network: nn.Module) -> None:
        """Nothing: the network that learns is what is evaluated."""

    @property
    def copies(self) -> Sequence[Network]:
        """None."""
        return ()


def _still_copy(network: Network) -> Network:
    """A copy that is evaluated, never trained."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def _move_towards(mean: nn.Module, network: nn.Module, share: float) -> None:
    """Move a mean by a share of the way to a network; what is no floating point number is taken over."""
    for old, new in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, share)
        else:
            old.copy_(new)
