"""What a network needs before it is trained: batch norm over all processes, less memory, more speed.

Names and values of its state stay as they are.

B clips, F mel bins, M mel frames.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from htsat.network import HTSAT
from htsat.network.swin import Stage, StageOutput, SwinBlock
from htsat.training.experiment import Experiment


def prepare_network(network: HTSAT, experiment: Experiment, fabric: Fabric) -> None:
    """Change a network in place; before it is copied for its mean, and before `fabric.setup_module`."""
    if fabric.world_size > 1:
        _retype(network, nn.BatchNorm1d, GlobalBatchNorm1d)
    if experiment.machines.activation_checkpointing:
        _retype(network, SwinBlock, CheckpointedBlock)
    if experiment.machines.compile:
        compile_stages(network)


def compile_stages(network: HTSAT, backend: str = "inductor") -> None:
    """Compile each stage by itself: what surrounds them (spectrum, augmentation) draws and branches."""
    _retype(network, Stage, _compiled_stage(backend))


def _compiled_stage(backend: str) -> type[Stage]:
    """A stage that is compiled for training; evaluation, with batches of any size, is not.

    Not `Module.compile`, which takes in the hooks around a module, such as those that share its weights.
    """
    compiled = torch.compile(Stage.forward, backend=backend)

    class CompiledStage(Stage):
        def forward(self, tokens: Tensor) -> StageOutput:
            """As `Stage`."""
            output: StageOutput = compiled(self, tokens) if self.training else super().forward(tokens)
            return output

    return CompiledStage


class CheckpointedBlock(SwinBlock):
    """A block that computes its inside once more in the backward pass instead of keeping it.

    Stochastic depth draws the same the second time.
    """

    def forward(self, tokens: Tensor) -> Tensor:
        """As `SwinBlock`."""
        output: Tensor = checkpoint(super().forward, tokens, use_reentrant=False)
        return output


class GlobalBatchNorm1d(nn.BatchNorm1d):
    """Batch norm with the statistics of the clips of all processes: equal to one on the joined batch.

    For an input that no gradient is wanted of, such as the log-mel; torch's own way, for any input, runs on a
    GPU only.

    Shape: `(B, F, M)` -> the same.
    """

    def forward(self, log_mel: Tensor) -> Tensor:
        """Normalise; in training also move the running statistics.

        Raises:
            ValueError: when the input needs a gradient.
        """
        if not self.training:
            return super().forward(log_mel)
        if log_mel.requires_grad:
            raise ValueError("the input of a batch norm over several processes must not need a gradient")
        mean, variance, n_values = _global_statistics(log_mel.float())
        self._follow(mean, variance * (n_values / (n_values - 1)))
        return F.batch_norm(log_mel, mean, variance, self.weight, self.bias, eps=self.eps)

    @torch.no_grad()
    def _follow(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased_variance, self.momentum)


def _global_statistics(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance of each mel bin over all processes, and the number of values.

    The means and squared deviations of the processes are joined by Chan's rule, not by sums of squares, which
    cancel: decibels lie far from zero. Shape: `(B, F, M)` -> `(F)`, `(F)`, `()`.
    """
    variance, mean = torch.var_mean(values, dim=(0, 2), correction=0)
    own = torch.cat([mean, variance, mean.new_tensor([values.shape[0] * values.shape[2]])])
    everybody = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(everybody, own)
    table, n_bins = torch.stack(everybody), len(mean)
    means, variances, counts = table[:, :n_bins], table[:, n_bins:-1], table[:, -1:]
    weights = counts / counts.sum()
    joined = (weights * means).sum(dim=0)
    spread = (weights * (variances + (means - joined).square())).sum(dim=0)
    return joined, spread, counts.sum()


def _retype(network: nn.Module, old: type[nn.Module], new: type[nn.Module]) -> None:
    for module in network.modules():
        if type(module) is old:
            module.__class__ = new
