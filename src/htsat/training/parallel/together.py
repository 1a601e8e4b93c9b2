"""Processes that must stand together: what a launcher starts again, and what is told when one is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from torch.distributed import DistError

from htsat.errors import DataError, HtsatError
from htsat.processes import Processes

_TOLD = re.compile(r"\nhtsat\.[\w.]+: (?P<message>.*)\Z")
"""A process that prepares clips sends the whole way of its error along, and the message last.

Where the error is not made of a message alone (`MissingExtraError`), it comes as a RuntimeError.
"""


def may_be_started_again() -> bool:
    """Whether torchrun or SLURM started this process: after a loss they give the same command once more."""
    return torch.distributed.is_torchelastic_launched() or SLURMEnvironment.detect()


def refuse_apart(processes: Processes, step: int, folder: Path) -> None:
    """See that all processes begin at the same step; all must call this together.

    Raises:
        DataError: when they do not, as where machines do not share the run's folder.
    """
    steps = processes.gather([step])
    if len(set(steps)) > 1:
        raise DataError(
            f"{folder}: processes begin at different steps ({', '.join(map(str, steps))}); "
            "all machines must share the folder of the run"
        )


@contextmanager
def told_in_one_line(processes: Processes) -> Iterator[None]:
    """Say in one line that another process is lost, or what was wrong in one that prepares clips.

    Raises:
        HtsatError: for these two; other problems are left as they are.
    """
    try:
        yield
    except (HtsatError, RuntimeError) as error:
        told = _TOLD.search(str(error).strip())
        if told:
            kind = type(error) if isinstance(error, HtsatError) else HtsatError
            raise kind(told["message"]) from error
        if isinstance(error, HtsatError):
            raise
        if processes.n > 1 and (isinstance(error, DistError) or "gloo" in str(error)):
            raise HtsatError(
                f"process {processes.rank} of {processes.n} has lost another one; "
                "the run can go on from its last checkpoint"
            ) from error
        raise
