"""The processes of a run: how many there are, on which devices, and how they start.

One process is one device. Processes are started by `torchrun`, by SLURM, or by the command itself, which then
runs itself once more for each further device of its machine.
"""

from __future__ import annotations

import os
import sys
from inspect import signature
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from lightning.fabric.strategies.strategy import Strategy
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch.nn.parallel import DistributedDataParallel

from htsat.errors import ConfigError
from htsat.processes import talk_within_machine
from htsat.training.experiment import Experiment, Machines, Optimisation
from htsat.training.parallel.allocator import keep_freed_memory
from htsat.training.parallel.sharding import shard

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Layout(NamedTuple):
    """How many processes there are."""

    n_devices: int
    """On each machine."""
    n_nodes: int

    @property
    def n_processes(self) -> int:
        """On all machines together."""
        return self.n_devices * self.n_nodes


def build_fabric(experiment: Experiment) -> Fabric:
    """Start the processes of a run, or join those that run already.

    Raises:
        ConfigError: when the device, or as many of them, is not there, or settings exclude each other.
    """
    _check_sharing(experiment)
    layout = _layout(experiment.machines)
    check_batch(experiment.optimisation, layout.n_processes)
    if layout.n_nodes == 1 or os.environ.get("MASTER_ADDR") in _LOOPBACK:
        talk_within_machine()
    fabric = _fabric(experiment, layout)
    fabric.launch()
    torch.set_flush_denormal(True)
    if fabric.device.type == "cpu":
        keep_freed_memory()
    return fabric


def check_batch(optimisation: Optimisation, n_processes: int) -> None:
    """Refuse batches that the processes cannot share evenly.

    Each process hears its share of every part of a batch, and mixup needs pairs within the share.

    Raises:
        ConfigError: with the numbers.
    """
    if n_processes == 1:
        return
    unit = 2 * n_processes * optimisation.accumulate
    if optimisation.batch_size % unit:
        raise ConfigError(
            f"optimisation.batch_size must be a multiple of {unit} (pairs of clips x {n_processes} processes "
            f"x {optimisation.accumulate} parts), got {optimisation.batch_size}"
        )


def _check_sharing(experiment: Experiment) -> None:
    if experiment.machines.strategy != "fsdp":
        return
    if experiment.optimisation.optimizer == "muon":
        raise ConfigError(
            "machines.strategy 'fsdp' cannot go with optimisation.optimizer 'muon', which needs whole "
            "matrices; use 'ddp', or 'adamw'"
        )
    if experiment.precision == "16-mixed":
        raise ConfigError(
            "machines.strategy 'fsdp' cannot go with precision '16-mixed'; use 'bf16-mixed', or 'ddp'"
        )


def _layout(machines: Machines) -> Layout:
    """What torchrun or SLURM say; else what the settings say."""
    if torch.distributed.is_torchelastic_launched():
        _check_restarts()
        n_local = int(os.environ["LOCAL_WORLD_SIZE"])
        return Layout(n_local, int(os.environ["WORLD_SIZE"]) // n_local)
    if SLURMEnvironment.detect():
        return _slurm_layout()
    if machines.n_nodes > 1:
        raise ConfigError(
            f"machines.n_nodes {machines.n_nodes} needs torchrun or srun to start the command on each machine"
        )
    if machines.n_devices > 1 and "LOCAL_RANK" not in os.environ:
        _check_repeatable(machines)
    return Layout(machines.n_devices, 1)


def _check_restarts() -> None:
    """Refuse restarts in which processes would meet by addresses of the ones before.

    torchrun keeps one store for all of them, in which the old addresses still are (pytorch/pytorch#135712).
    """
    restarts = os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")
    if restarts != "0" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        raise ConfigError(
            f"torchrun --max-restarts {restarts} needs --rdzv-backend c10d (or --standalone) and "
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in its environment, or the processes will not meet again"
        )


def _check_repeatable(machines: Machines) -> None:
    """Refuse to start what cannot be started once more: a notebook, or what was typed in."""
    main = sys.modules["__main__"]
    is_command = getattr(main, "__spec__", None) is not None or Path(sys.argv[0]).is_file()
    if hasattr(sys, "ps1") or not is_command:
        raise ConfigError(
            f"machines.n_devices {machines.n_devices} runs the program once more for each further device: "
            "put it into a file, or start it with torchrun"
        )


def _slurm_layout() -> Layout:
    n_tasks, n_local = int(os.environ["SLURM_NTASKS"]), os.environ.get("SLURM_NTASKS_PER_NODE")
    if n_local is None and n_tasks > 1:
        raise ConfigError(f"SLURM starts {n_tasks} tasks: give their number as --ntasks-per-node")
    n_nodes = int(os.environ.get("SLURM_NNODES", "1"))
    return Layout(int(n_local or 1), n_nodes)


def _fabric(experiment: Experiment, layout: Layout) -> Fabric:
    device, n_devices = experiment.device, layout.n_devices
    try:
        fabric = Fabric(
            accelerator=device,
            devices=n_devices,
            num_nodes=layout.n_nodes,
            strategy=_strategy(experiment, layout.n_processes),
            precision=experiment.precision,
        )
    except MisconfigurationException as error:
        raise ConfigError(f"{n_devices} devices {device!r} are not available on this machine") from error
    except RuntimeError as error:
        raise ConfigError(f"device {device!r} is not available on this machine") from error
    _keep_waveforms(fabric.strategy)
    return fabric


class _InsideOnly(MixedPrecision):
    """Half precision inside the network, where autocast has it; what comes in stays as it is."""

    def convert_input(self, data: Any) -> Any:
        """Nothing is rounded: of a waveform in bfloat16 the front end would hear the noise of that."""
        return data


def _keep_waveforms(strategy: Strategy) -> None:
    usual = strategy.precision
    if isinstance(usual, MixedPrecision):
        kind: Literal["16-mixed", "bf16-mixed"] = "bf16-mixed" if usual.scaler is None else "16-mixed"
        strategy.precision = _InsideOnly(kind, usual.device, usual.scaler)


def _strategy(experiment: Experiment, n_processes: int) -> Strategy | str:
    """One process has nothing to share."""
    if n_processes == 1:
        return "auto"
    if experiment.machines.strategy == "fsdp":
        return ModelParallelStrategy(shard, data_parallel_size=n_processes, tensor_parallel_size=1)
    # Buffers are equal in all processes by themselves; torch 2.13 renamed the option that says so.
    known = signature(DistributedDataParallel).parameters
    sync = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {
        sync: False,
        "gradient_as_bucket_view": True,
        "find_unused_parameters": experiment.optimisation.head_epochs > 0,
    }
    return DDPStrategy(**options)


def is_first() -> bool:
    """Whether this process is the only one, or the first of those that train."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
