"""How much memory a network takes, told from its configuration before any is taken.

A sketch without memory (torch's device `meta`) would tell the same, but it makes torch load its compiler: two
seconds and 70 MB for each process that opens a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

from htsat.errors import CheckpointError
from htsat.network import ModelConfig
from htsat.network.swin import fit_window

_MAX_COMPUTED = 100_000_000
"""The published networks need 2 million; to stretch a clip of a minute in steps of 10 ms takes 37 million."""

_MAX_WINDOW = 1024


def check_size(config: ModelConfig, tensors: Mapping[str, Tensor]) -> None:
    """Refuse a configuration that asks for far more memory than the weights in its file justify.

    Raises:
        CheckpointError: with what is asked for and what there is.
    """
    if config.window > _MAX_WINDOW:
        raise CheckpointError(f"config asks for windows of {config.window:,}, allowed are {_MAX_WINDOW:,}")
    n_blocks = sum(config.depths)
    if n_blocks > len(tensors):
        raise CheckpointError(f"config asks for {n_blocks:,} blocks, the file has {len(tensors):,} tensors")
    n_weights, n_values = _n_weights(config), sum(tensor.numel() for tensor in tensors.values())
    if n_weights > 2 * n_values:
        raise CheckpointError(f"config asks for {n_weights:,} weights or more, the file has {n_values:,}")
    n_computed = _n_computed(config)
    if n_computed > _MAX_COMPUTED:
        raise CheckpointError(
            f"config asks for {n_computed:,} values beside the weights, allowed are {_MAX_COMPUTED:,}"
        )


def _n_weights(config: ModelConfig) -> int:
    """Weights in the matrices of a network: all but its vectors, which are shorter than these are large."""
    stages = list(_stages(config))
    blocks = sum(stage.depth * (12 * stage.channels**2 + stage.n_offsets * stage.n_heads) for stage in stages)
    merges = sum(8 * stage.channels**2 for stage in stages[:-1])
    n_cells = [config.n_mels // (config.patch << index) for index in range(len(stages))]
    n_places = 3 * n_cells[-1] if config.head == "token_semantic" else 1
    head = config.n_classes * config.embedding_dim * n_places
    laterals = sum(stage.channels * cells for stage, cells in zip(stages, n_cells, strict=True))
    fine = config.fine_width * (laterals + 4 * config.fine_width * len(stages) + config.n_classes)
    sound = max(config.n_fft // 2, 1) * config.n_mels + config.patch**2 * config.dim
    return sound + blocks + merges + head + fine


def _n_computed(config: ModelConfig) -> int:
    """Values that a network computes once: to stretch time, and which tokens of each block see each other."""
    stretch = config.n_mel_frames * config.n_folds * config.fold_frames
    blocks = sum(
        stage.depth * stage.n_tokens * (stage.n_tokens + math.prod(stage.grid)) for stage in _stages(config)
    )
    return stretch + blocks


class _StageSize(NamedTuple):
    """What the memory of a stage follows from."""

    depth: int
    n_heads: int
    channels: int
    grid: tuple[int, int]
    window: tuple[int, int]

    @property
    def n_tokens(self) -> int:
        """Of a window."""
        return math.prod(self.window)

    @property
    def n_offsets(self) -> int:
        """By which tokens of a window can lie apart."""
        return math.prod(2 * size - 1 for size in self.window)


def _stages(config: ModelConfig) -> Iterator[_StageSize]:
    for index, (depth, n_heads) in enumerate(zip(config.depths, config.n_heads, strict=True)):
        height, width = config.token_grid
        grid = (height >> index, width >> index)
        yield _StageSize(depth, n_heads, config.dim << index, grid, fit_window(config.window, grid))
