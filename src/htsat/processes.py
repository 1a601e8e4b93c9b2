"""Processes that share one piece of work: which of them this is, and how their results come together.

`torchrun` starts them and says by environment variables who is who; without it there is one. torch is
imported only where there are several, or to ask whether there are.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, TypeVar

from htsat.errors import ConfigError, HtsatError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

Item = TypeVar("Item")

_MEETING_TIME = timedelta(minutes=5)
"""Until then all processes must have started."""
_WAITING_TIME = timedelta(hours=6)
"""A process may wait so long for a slower one; one that has ended is noticed at once."""
_ABSENT = object()


@dataclass(frozen=True)
class Processes:
    """Number `rank` (from 0) of `n` processes that do the same with different parts."""

    rank: int = 0
    n: int = 1
    group: ProcessGroup | None = None
    """Connects them; None where there is only one."""
    has_met: bool = False
    """Whether they met for this alone: nobody else parts them."""

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *problem: object) -> None:
        """Part; without it the end of a process would look like a crash."""
        if self.group is None:
            return
        from torch import distributed

        distributed.destroy_process_group(None if self.has_met else self.group)

    @classmethod
    def alone(cls) -> Processes:
        """A single process."""
        return cls()

    @classmethod
    def from_environment(cls) -> Processes:
        """Meet the processes that `torchrun` started; every one of them must call this, and use it by `with`.

        Where a process group is at work already (that of a training run) its processes are meant, and it
        goes on afterwards. Otherwise each process takes a GPU of its own, if there are any.

        Raises:
            ConfigError: when the environment does not say who is who.
            HtsatError: when the others do not come.
        """
        if _number("WORLD_SIZE", 1) == 1:
            return ALONE
        import torch
        from torch import distributed

        has_met = not distributed.is_initialized()
        if has_met:
            _meet()
            if torch.cuda.is_available():
                torch.cuda.set_device(_number("LOCAL_RANK", 0) % torch.cuda.device_count())
        # A group of its own, because Python objects travel between processors, not between GPUs.
        group = distributed.new_group(backend="gloo", timeout=_WAITING_TIME)
        return cls(distributed.get_rank(), distributed.get_world_size(), group, has_met)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that prints and writes."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """The part of this process: item `i` is that of process `i % n`."""
        return items[self.rank :: self.n]

    def gather(self, share: Sequence[Item]) -> list[Item]:
        """All items in their order, in every process, from what each made of its share.

        Raises:
            HtsatError: when another process has ended, or does not answer for hours.
        """
        if self.n == 1:
            return list(share)
        from torch import distributed

        shares: list[list[Item]] = [[] for _ in range(self.n)]
        try:
            distributed.all_gather_object(shares, list(share), group=self.group)
        except RuntimeError as error:
            raise HtsatError(
                f"process {self.rank} of {self.n} has lost another one, which ended before it had results"
            ) from error
        rounds = zip_longest(*shares, fillvalue=_ABSENT)
        return [item for item in chain.from_iterable(rounds) if item is not _ABSENT]  # type: ignore[misc]


ALONE = Processes()
"""One process that has all the work."""


def talk_within_machine() -> None:
    """Let gloo use the loopback: it aborts where the machine's own name leads to no address of it."""
    loopback = {"lo", "lo0"} & {name for _, name in socket.if_nameindex()}
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback.pop())


def _meet() -> None:
    """Connect with the other processes."""
    from torch import distributed

    rank, n = _number("RANK"), _number("WORLD_SIZE")
    if _number("LOCAL_WORLD_SIZE", 1) == n:
        talk_within_machine()
    try:
        distributed.init_process_group("gloo", timeout=_MEETING_TIME)
    except (RuntimeError, ValueError) as error:
        raise HtsatError(f"process {rank} of {n} did not find the others; start all with torchrun") from error


def _number(name: str, default: int | None = None) -> int:
    text = os.environ.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        raise ConfigError(
            f"several processes are started with torchrun: it sets {name} to a number, got {text!r}"
        )
    return int(text)
