"""A run on several processes and machines: who they are, how they share the work, and the memory.

The order of calls in every process: `build_fabric`; `prepare_network`; `place` for each copy of the network
that holds a mean; `fabric.setup_module`; then the optimisers, made of the parameters as they are now, maybe
shared; `fabric.setup_optimizers`. What gathers (`full_state`, `full_optimizer_state`, `whole`) is
called by all processes together.
"""

from __future__ import annotations

from htsat.training.parallel.preparation import prepare_network
from htsat.training.parallel.processes import build_fabric, check_batch, is_first
from htsat.training.parallel.sharding import (
    full_optimizer_state,
    full_state,
    load_full_optimizer_state,
    load_full_state,
    place,
    whole,
)
from htsat.training.parallel.together import may_be_started_again, refuse_apart, told_in_one_line

__all__ = [
    "build_fabric",
    "check_batch",
    "full_optimizer_state",
    "full_state",
    "is_first",
    "load_full_optimizer_state",
    "load_full_state",
    "may_be_started_again",
    "place",
    "prepare_network",
    "refuse_apart",
    "told_in_one_line",
    "whole",
]
