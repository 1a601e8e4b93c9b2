"""Where the numbers of a run fail: its first loss or gradient that is not finite, and the clips it was of.

What was measured stays on the device that trains until somebody asks, so that no step waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm

from htsat.processes import Processes

MAX_SKIPPED = 20
"""Steps in a row that may be skipped with a loss scale: it has then come from 65,536 down to 1/16."""


class Fault(NamedTuple):
    """What is not finite, in which step, and the clips that it comes from, as far as that is known."""

    step: int
    what: str
    clips: tuple[str, ...] = ()


class _Measured(NamedTuple):
    """Shape: `value` `()`."""

    step: int
    what: str
    value: Tensor
    clips: Sequence[str]


class FaultWatch:
    """Takes note of losses and gradients. All processes of a run note as many, in the same order.

    With a loss scale (float16) a gradient may overflow: the step is skipped and the scale is halved. That is
    a fault only when it goes on.
    """

    def __init__(self, *, has_loss_scale: bool) -> None:
        self._has_loss_scale = has_loss_scale
        self._n_skipped = torch.zeros(())
        self._measured: list[_Measured] = []

    def note_loss(self, step: int, loss: Tensor, clips: Sequence[str]) -> None:
        """Of a part of a batch. Shape: `loss` `()`."""
        self._measured.append(_Measured(step, "loss", loss.detach(), clips))

    def note_gradient(self, step: int, norms: Iterable[Tensor], clips: Sequence[str]) -> None:
        """Of a whole batch, before it was clipped: one norm for each optimiser. Shape: `()` each."""
        norm = torch.stack([_whole(norm) for norm in norms]).norm()
        if self._has_loss_scale:
            self._n_skipped = torch.where(norm.isfinite(), 0, self._n_skipped.to(norm.device) + 1)
            norm = torch.where(self._n_skipped > MAX_SKIPPED, norm, torch.zeros_like(norm))
        self._measured.append(_Measured(step, "gradient", norm, clips))

    def find(self, fabric: Fabric, processes: Processes) -> Fault | None:
        """The first fault since it was last asked for; the same in all processes, which must ask together."""
        measured, self._measured = self._measured, []
        is_bad = ~torch.stack([one.value.float() for one in measured]).isfinite()
        n_bad = cast("Tensor", fabric.all_reduce(is_bad.sum().float(), reduce_op="sum"))
        if not n_bad.item():
            return None
        own = is_bad.nonzero().flatten().tolist()
        first = min(processes.gather(own[:1]))
        one = measured[first]
        shares = processes.gather([_Share(one.value.item(), one.clips)] if first in own else [])
        clips = tuple(clip for share in shares for clip in share.clips)
        return Fault(one.step, f"{one.what} {shares[0].value}", clips)


class _Share(NamedTuple):
    """What one process knows of a fault."""

    value: float
    clips: Sequence[str]


def are_finite(tensors: Iterable[Tensor], fabric: Fabric) -> bool:
    """Whether the norm of the tensors of every process is finite; all processes must ask together.

    It is not where a number is NaN or infinite, nor beyond 1.8e19, where its square has no place in float32.
    """
    own = [tensor.detach() for tensor in map(_own_rows, tensors)]
    reals = [tensor for tensor in own if tensor.is_floating_point() and tensor.numel()]
    norm = get_total_norm([tensor.float() for tensor in reals])
    n_bad = fabric.all_reduce((~norm.isfinite()).float(), reduce_op="sum")
    return not cast("Tensor", n_bad).item()


def _whole(norm: Tensor) -> Tensor:
    """A norm as every process knows it, also of gradients that processes share."""
    return norm.full_tensor() if isinstance(norm, DTensor) else norm


def _own_rows(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
