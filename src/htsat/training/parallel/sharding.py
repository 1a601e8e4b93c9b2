"""A network shared by several processes (FSDP), and its state as if one process held it all.

A shared parameter is a `DTensor`: each process holds some of its rows. States are gathered to plain tensors,
so that one written by any number of processes is read by any other number. Gathering is work for all
processes together: each must call. Where nothing is shared the tensors are left as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map

from htsat.network import HTSAT

State = TypeVar("State")


def shard(network: HTSAT, mesh: DeviceMesh) -> HTSAT:
    """Share the parameters among the processes; those of a stage are gathered while it is at work."""
    # The output is a view, which must not be changed in place; nobody does.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
    processes = mesh["data_parallel"]
    for stage in network.stages:
        fully_shard(stage, mesh=processes)
    fully_shard(network, mesh=processes)
    return network


def place(copy: HTSAT, fabric: Fabric) -> None:
    """Put a copy of the network, such as its running mean, where `fabric.setup_module` puts the network."""
    if isinstance(fabric.strategy, ModelParallelStrategy):
        shard(copy, fabric.strategy.device_mesh)
    else:
        copy.to(fabric.device)


def _gathered(state: State) -> State:
    """A state with whole tensors in place of shared ones; the others are not copied."""
    whole_state: State = tree_map(
        lambda leaf: leaf.full_tensor() if isinstance(leaf, DTensor) else leaf, state
    )
    return whole_state


def full_state(module: nn.Module) -> dict[str, Tensor]:
    """The state of a network with whole tensors, in every process; those not shared are not copied."""
    return _gathered(module.state_dict())


def load_full_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Inverse of `full_state`: each process takes its rows."""
    places = module.state_dict()
    module.load_state_dict({name: _like(places[name], value) for name, value in state.items()})


def full_optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimiser with whole tensors, as one process would have it."""
    return _gathered(optimizer.state_dict())


def load_full_optimizer_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Inverse of `full_optimizer_state`."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        index: {name: _like(parameters[index], value) for name, value in values.items()}
        for index, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": moments})


def whole(network: HTSAT) -> HTSAT:
    """The network with all its parameters in this process: itself, or a copy of one that is shared."""
    first = next(network.parameters())
    if not isinstance(first, DTensor):
        return network
    with torch.device(first.device):
        copy = HTSAT(network.config)
    copy.load_state_dict(full_state(network))
    return copy.train(network.training)


def _like(place: Tensor, value: Any) -> Any:
    """A whole tensor, or where `place` is shared and of its shape, the rows that belong to this process."""
    if isinstance(place, DTensor) and isinstance(value, Tensor) and value.shape == place.shape:
        whole_here = value.to(place.device)
        return distribute_tensor(whole_here, place.device_mesh, place.placements, src_data_rank=None)
    return value
