"""The stages of the transformer as operators of a graph.

Tokens lie in the order of the windows of the block at hand. So rolling, cutting and joining windows is one
look-up from one block to the next, and merging is another.

B batch, H, W token grid, N tokens of a window, A heads, C channels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from htsat.export.builder import GraphBuilder, Value
from htsat.export.layers import add_layer_norm, add_linear, add_perceptron
from htsat.network.swin import (
    MASKED,
    Grid,
    PatchMerging,
    Stage,
    SwinBlock,
    WindowAttention,
    partition,
)


class Tokens(NamedTuple):
    """Tokens `(B, H * W, C)`, of which position `p` holds the one of place `order[p]` of the grid."""

    value: Value
    order: Tensor

    @classmethod
    def of_grid(cls, value: Value, grid: Grid) -> Tokens:
        """Tokens in the order of their grid, row by row."""
        return cls(value, torch.arange(math.prod(grid)))

    def arranged(self, g: GraphBuilder, order: Tensor) -> Value:
        """The tokens of the places `order`, one after the other."""
        positions = torch.argsort(self.order)[order]
        if torch.equal(positions, torch.arange(len(self.order))):
            return self.value
        return g.take(self.value, positions, axis=1)


class StageValues(NamedTuple):
    """As `swin.StageOutput`: the tokens as the blocks leave them, and merged."""

    tokens: Tokens
    merged: Tokens


def add_stage(g: GraphBuilder, tokens: Tokens, stage: Stage, grid: Grid) -> StageValues:
    """All blocks of a stage, whose tokens stand for a grid, then merging, if it does."""
    for block in stage.blocks:
        assert isinstance(block, SwinBlock)
        order = _window_order(block)
        tokens = Tokens(_add_block(g, tokens.arranged(g, order), block), order)
    if stage.merge is None:
        return StageValues(tokens, tokens)
    return StageValues(tokens, _add_merging(g, tokens, grid, stage.merge))


def _window_order(block: SwinBlock) -> Tensor:
    """The places of the grid, window by window, in the grid that the block rolls."""
    places = torch.arange(math.prod(block.grid)).reshape(1, *block.grid, 1)
    rolled = places.roll((-block.shift[0], -block.shift[1]), (1, 2))
    return partition(rolled, block.window).flatten()


def _add_block(g: GraphBuilder, tokens: Value, block: SwinBlock) -> Value:
    attended = _add_attention(g, add_layer_norm(g, tokens, block.norm1), block)
    tokens = g.add("Add", tokens, attended)
    return g.add("Add", tokens, add_perceptron(g, add_layer_norm(g, tokens, block.norm2), block.mlp))


def _add_attention(g: GraphBuilder, tokens: Value, block: SwinBlock) -> Value:
    """Attention with the windows of a clip beside its heads, so that no product has more than four axes."""
    attention = block.attention
    n_heads, channels = attention.n_heads, attention.projection.in_features
    n_places, n_tokens = math.prod(block.grid), math.prod(block.window)
    n_windows, head_channels = n_places // n_tokens, channels // n_heads
    qkv = g.reshape(add_linear(g, tokens, attention.qkv), -1, n_windows, n_tokens, 3 * n_heads, head_channels)
    heads = g.transpose(qkv, 0, 1, 3, 2, 4)  # (B, n_windows, 3A, N, C / A)
    parts = g.add_many("Split", 3, heads, axis=2, num_outputs=3)
    query, key, value = (g.reshape(part, -1, n_windows * n_heads, n_tokens, head_channels) for part in parts)
    products = g.add("MatMul", query, g.transpose(key, 0, 1, 3, 2))
    scaled = g.add("Mul", products, g.scalar(head_channels**-0.5))
    weights = g.add("Softmax", g.add("Add", scaled, _add_bias(g, attention, block, n_windows)), axis=-1)
    attended = g.reshape(g.add("MatMul", weights, value), -1, n_windows, n_heads, n_tokens, head_channels)
    joined = g.reshape(g.transpose(attended, 0, 1, 3, 2, 4), -1, n_places, channels)
    return add_linear(g, joined, attention.projection)


def _add_bias(g: GraphBuilder, attention: WindowAttention, block: SwinBlock, n_windows: int) -> Value:
    """Position bias and mask `(1, n_windows * A, N, N)`; runtimes work it out when they load the graph."""
    n_heads, n_tokens = attention.n_heads, math.prod(block.window)
    table = g.take(g.weight(attention.bias_table), attention.bias_index, axis=0)  # (N, N, A)
    bias = g.reshape(g.transpose(table, 2, 0, 1), 1, n_heads, n_tokens, n_tokens)
    if block.mask is not None:
        bias = g.add("Add", bias, _add_mask(g, block.mask))
    else:
        bias = g.add("Expand", bias, g.integers(n_windows, n_heads, n_tokens, n_tokens))
    return g.reshape(bias, 1, n_windows * n_heads, n_tokens, n_tokens)


def _add_mask(g: GraphBuilder, mask: Tensor) -> Value:
    """A mask `(n_windows, N, N)` as `(n_windows, 1, N, N)`, told by the first token each may meet."""
    regions = (mask == 0).int().argmax(dim=2)  # (n_windows, N)
    same = g.add("Equal", g.constant(regions[:, None, :, None]), g.constant(regions[:, None, None, :]))
    return g.add("Where", same, g.scalar(0.0), g.scalar(MASKED))


def _add_merging(g: GraphBuilder, tokens: Tokens, grid: Grid, merge: PatchMerging) -> Tokens:
    height, width = grid
    places = torch.arange(height * width).reshape(height // 2, 2, width // 2, 2)
    four = places.permute(0, 2, 3, 1).flatten()  # down the column first
    channels = merge.norm.normalized_shape[0]
    joined = g.reshape(tokens.arranged(g, four), -1, height * width // 4, channels)
    merged = add_linear(g, add_layer_norm(g, joined, merge.norm), merge.reduction)
    return Tokens.of_grid(merged, (height // 2, width // 2))
