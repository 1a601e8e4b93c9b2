"""Which share of the units is that of this process, where several machines see one disk.

Units in the order of their keys, which are as good as drawn by lot, are cut into stretches of equal size. All
machines that see the same recordings agree without talking. A recording more or less moves the ends of the
stretches by a unit at most, so that machines which listed at different times still agree about nearly all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter

from htsat.bulk.units import Unit
from htsat.errors import ConfigError

ENVIRONMENT = "env"
_RECORDING_BYTES = 100_000
"""What a recording counts beside its size: opening it takes time, and not all sizes are known."""


@dataclass(frozen=True)
class Shard:
    """Share `index` (from 0) of `n`."""

    index: int = 0
    n: int = 1

    def of(self, units: Sequence[Unit]) -> list[Unit]:
        """The units that are dealt to this share, in the order that they came in."""
        by_key = sorted(units, key=attrgetter("key"))
        ends = list(accumulate(map(_cost, by_key)))
        # The middle of a unit decides; in whole numbers, so that no machine rounds in its own way.
        mine = {
            unit.key
            for unit, end in zip(by_key, ends, strict=True)
            if (2 * end - _cost(unit)) * self.n // (2 * ends[-1]) == self.index
        }
        return [unit for unit in units if unit.key in mine]

    def __str__(self) -> str:
        """As it is written: counted from 1."""
        return f"{self.index + 1}/{self.n}"


ALL = Shard()


def _cost(unit: Unit) -> int:
    return unit.n_bytes + _RECORDING_BYTES * unit.n_recordings


@dataclass(frozen=True)
class _Names:
    """The variables in which a scheduler tells which process this is, and of how many."""

    index: str
    n: str
    first: str | None = None


_SCHEDULERS = (
    _Names("RANK", "WORLD_SIZE"),
    _Names("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"),
    _Names("SLURM_PROCID", "SLURM_NTASKS"),
    _Names("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"),
)
"""torchrun, SLURM's arrays and steps, Kubernetes' indexed jobs (which do not tell how many there are)."""


def shard_of(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """The share that `I/N` means, or `env`, or `env/N` where the environment does not say how many there are.

    Raises:
        ConfigError: when it is neither, or the environment does not tell.
    """
    if found := re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text):
        index, n = int(found[1]) - 1, int(found[2])
        return _checked(index, n, f"expected a share as 1/8, counted from 1, got {text!r}")
    if found := re.fullmatch(rf"{ENVIRONMENT}(?:/([0-9]{{1,9}}))?", text):
        return _from_environment(found[1], environment)
    raise ConfigError(f"--shard: expected I/N (1/8 is the first of eight), env or env/N, got {text!r}")


def _from_environment(n: str | None, environment: Mapping[str, str]) -> Shard:
    for names in _SCHEDULERS:
        if names.index in environment and (n is not None or names.n in environment):
            values = [environment[names.index], n or environment[names.n]]
            values.append(environment.get(names.first, "0") if names.first else "0")
            problem = f"{names.index}={values[0]} is none of {values[1]} shares"
            if not all(value.isdecimal() for value in values):
                raise ConfigError(f"--shard env: {problem}")
            return _checked(int(values[0]) - int(values[2]), int(values[1]), problem)
    known = ", ".join(f"{names.index} and {names.n}" for names in _SCHEDULERS)
    raise ConfigError(f"--shard env: the environment does not tell which share this is (looked for {known})")


def _checked(index: int, n: int, problem: str) -> Shard:
    if not 0 <= index < n:
        raise ConfigError(f"--shard: {problem}")
    return Shard(index, n)
