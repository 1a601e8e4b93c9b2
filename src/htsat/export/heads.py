"""The classifier heads as operators of a graph.

B batch, C channels, f frequency cells, T frames, K classes, W width of the fine head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from htsat.export.builder import GraphBuilder, Value
from htsat.export.layers import add_convolution, add_layer_norm, add_linear, add_perceptron, add_unfold
from htsat.export.stages import Tokens
from htsat.network.heads import FineHead, LinearHead, TemporalBlock, TokenSemanticHead
from htsat.network.swin import Grid


class Map(NamedTuple):
    """The tokens that the blocks of a stage leave, and their grid."""

    tokens: Tokens
    grid: Grid


def add_head(g: GraphBuilder, head: nn.Module, features: Value, frame_embedding: Value) -> Value:
    """Tagging logits `(B, T, K)` of features `(B, C, f, T)`, or of their mean over frequency `(B, T, C)`."""
    if isinstance(head, TokenSemanticHead):
        logits = add_convolution(g, features, head.token_semantic)  # (B, K, 1, T)
        return g.transpose(g.add("Squeeze", logits, g.integers(2)), 0, 2, 1)
    assert isinstance(head, LinearHead)
    return add_linear(g, frame_embedding, head.linear)


def add_fine_head(g: GraphBuilder, head: FineHead, maps: Sequence[Map]) -> Value:
    """Frame logits `(B, T, K)` of the maps of all stages, the finest first."""
    refined: Value | None = None
    levels = zip(maps, head.norms, head.laterals, head.refinements, strict=True)
    for map_, norm, lateral, block in reversed(list(levels)):
        assert isinstance(norm, nn.LayerNorm)
        assert isinstance(lateral, nn.Conv2d)
        assert isinstance(block, TemporalBlock)
        n_frames = map_.grid[1] * head.n_folds
        here = _add_lateral(g, map_, norm, lateral, head.n_folds)
        if refined is not None:
            doubled = g.take(refined, np.arange(n_frames) // 2, axis=1)
            here = g.add("Add", here, doubled)
        refined = _add_temporal_block(g, here, block)
    assert refined is not None
    return add_linear(g, refined, head.classifier)


def _add_lateral(g: GraphBuilder, map_: Map, norm: nn.LayerNorm, lateral: nn.Conv2d, n_folds: int) -> Value:
    """A map at the width of the head, over all of its frequency cells: `(B, T of the stage, W)`."""
    natural = map_.tokens.arranged(g, torch.arange(len(map_.tokens.order)))
    features = add_unfold(g, add_layer_norm(g, natural, norm), map_.grid, n_folds, lateral.in_channels)
    here = g.add("Squeeze", add_convolution(g, features, lateral), g.integers(2))
    return g.transpose(here, 0, 2, 1)


def _add_temporal_block(g: GraphBuilder, frames: Value, block: TemporalBlock) -> Value:
    mixed = g.transpose(add_convolution(g, g.transpose(frames, 0, 2, 1), block.mix), 0, 2, 1)
    return g.add("Add", frames, add_perceptron(g, add_layer_norm(g, mixed, block.norm), block.mlp))
