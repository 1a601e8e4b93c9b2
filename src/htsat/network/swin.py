"""The hierarchical transformer: patches, windows, attention, blocks, merging (Liu et al., ICCV 2021).

Differences to the common code: tokens keep their grid and stay channels last all the way; windows may be
rectangular, so that fewer than four folds work; attention is torch's fused one, with the windows of a picture
beside its heads so that one mask serves the whole batch.

B batch, H, W token grid, C channels, N tokens of a window, A heads.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from htsat.network.linear import Linear

Grid = tuple[int, int]

# Far below any logit yet finite: what the published weights were trained with.
MASKED = -100.0


def fit_window(window: int, grid: Grid) -> Grid:
    """The largest window, per axis at most `window`, that tiles the grid."""
    height, width = (
        max(size for size in range(1, min(window, axis) + 1) if axis % size == 0) for axis in grid
    )
    return height, width


def fit_shift(window: Grid, grid: Grid) -> Grid:
    """Half a window per axis, or nothing along an axis that one window already spans."""
    height, width = (size // 2 if axis > size else 0 for size, axis in zip(window, grid, strict=True))
    return height, width


def partition(tokens: Tensor, window: Grid) -> Tensor:
    """Cut a grid into windows. Shape: `(B, H, W, C)` -> `(B, n_windows, N, C)`."""
    batch, height, width, channels = tokens.shape
    rows, columns = window
    tiles = tokens.reshape(batch, height // rows, rows, width // columns, columns, channels)
    return tiles.transpose(2, 3).reshape(batch, -1, rows * columns, channels)


def unpartition(windows: Tensor, window: Grid, grid: Grid) -> Tensor:
    """Inverse of `partition`. Shape: `(B, n_windows, N, C)` -> `(B, H, W, C)`."""
    (rows, columns), (height, width) = window, grid
    tiles = windows.reshape(-1, height // rows, width // columns, rows, columns, windows.shape[-1])
    return tiles.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


def relative_position_index(window: Grid) -> Tensor:
    """For query i and key j of a window: the row of the bias table that belongs to their offset.

    Shape: `(N, N)`, int64.
    """
    rows, columns = window
    place = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).reshape(-1, 2)
    offset = place[:, None] - place[None, :]
    return (offset[..., 0] + rows - 1) * (2 * columns - 1) + offset[..., 1] + columns - 1


def shift_mask(grid: Grid, window: Grid, shift: Grid) -> Tensor:
    """What to add to attention in a grid rolled by `shift`, so that tokens from opposite edges do not meet.

    Shape: `(n_windows, N, N)`, 0 or -100.
    """
    regions = torch.zeros(1, *grid, 1)
    for axis, (size, width, step) in enumerate(zip(grid, window, shift, strict=True)):
        position = torch.arange(size)
        region = (position >= size - width).long() + (position >= size - step).long() * (step > 0)
        regions += (region * 3**axis).reshape([1, -1, 1, 1] if axis == 0 else [1, 1, -1, 1])
    windows = partition(regions, window)[0, :, :, 0]
    return torch.where(windows[:, :, None] == windows[:, None, :], 0.0, MASKED)


def drop_path(branch: Tensor, rate: float, training: bool) -> Tensor:
    """Stochastic depth: leave a residual branch out for a random part of the batch. Shape kept."""
    if not training or rate == 0.0:
        return branch
    keep = branch.new_empty(branch.shape[0], *[1] * (branch.ndim - 1)).bernoulli_(1.0 - rate)
    return branch * (keep / (1.0 - rate))


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Scaled dot-product attention with a bias on its logits. Shape: `(B, A, N, C)` three times -> the same.

    Where a bias learns on a processor torch has no fused kernel. What it does instead looks for empty rows
    too, which the plain form need not.
    """
    if query.device.type == "cpu" and torch.is_grad_enabled():
        logits = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5 + bias
        attended: Tensor = logits.softmax(dim=-1) @ value
        return attended
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


class WindowAttention(nn.Module):
    """Multi-head self-attention inside windows, with a learned bias for each relative position.

    Shape: `(B, n_windows, N, C)` -> the same.
    """

    def __init__(self, channels: int, n_heads: int, window: Grid) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv = Linear(channels, 3 * channels)
        self.projection = Linear(channels, channels)
        self.bias_table = nn.Parameter(torch.zeros((2 * window[0] - 1) * (2 * window[1] - 1), n_heads))
        self.register_buffer("bias_index", relative_position_index(window), persistent=False)
        self.bias_index: Tensor

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attend; `mask` `(n_windows, N, N)` is added to the attention logits."""
        batch, n_windows, n_tokens, channels = windows.shape
        qkv = self.qkv(windows).reshape(batch, n_windows, n_tokens, 3, self.n_heads, -1)
        query, key, value = (
            qkv.permute(3, 0, 1, 4, 2, 5).flatten(2, 3).unbind(0)
        )  # (B, n_windows * A, N, C / A)
        attended = attend(query, key, value, self._bias(n_windows, mask, query))
        attended = attended.reshape(batch, n_windows, self.n_heads, n_tokens, -1)
        attended = attended.transpose(2, 3).reshape(batch, n_windows, n_tokens, channels)
        projected: Tensor = self.projection(attended)
        return projected

    def _bias(self, n_windows: int, mask: Tensor | None, like: Tensor) -> Tensor:
        """Position bias plus mask for every window and head. Shape: `(1, n_windows * A, N, N)`."""
        bias = self.bias_table[self.bias_index].permute(2, 0, 1)[None]  # (1, A, N, N)
        if mask is not None:
            bias = bias + mask[:, None]
        bias = bias.expand(n_windows, -1, -1, -1).flatten(0, 1)[None]
        return bias.to(like.dtype)


class SwinBlock(nn.Module):
    """Window attention and a two-layer perceptron, each after a layer norm and beside a shortcut.

    Shape: `(B, H, W, C)` -> the same.
    """

    def __init__(self, channels: int, n_heads: int, grid: Grid, window: Grid, shift: Grid) -> None:
        super().__init__()
        self.grid, self.window, self.shift = grid, window, shift
        self.drop_path_rate = 0.0
        self.norm1 = nn.LayerNorm(channels)
        self.attention = WindowAttention(channels, n_heads, window)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(Linear(channels, 4 * channels), nn.GELU(), Linear(4 * channels, channels))
        mask = shift_mask(grid, window, shift) if any(shift) else None
        self.register_buffer("mask", mask, persistent=False)
        self.mask: Tensor | None

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix tokens within windows, then channels within tokens."""
        tokens = tokens + drop_path(self._attend(self.norm1(tokens)), self.drop_path_rate, self.training)
        return tokens + drop_path(self.mlp(self.norm2(tokens)), self.drop_path_rate, self.training)

    def _attend(self, tokens: Tensor) -> Tensor:
        if any(self.shift):
            tokens = tokens.roll((-self.shift[0], -self.shift[1]), (1, 2))
        windows = self.attention(partition(tokens, self.window), self.mask)
        tokens = unpartition(windows, self.window, self.grid)
        return tokens.roll(self.shift, (1, 2)) if any(self.shift) else tokens


class PatchEmbedding(nn.Module):
    """Non-overlapping square patches of the image as tokens. Shape: `(B, H', W')` -> `(B, H, W, C)`."""

    def __init__(self, patch: int, channels: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(1, channels, kernel_size=patch, stride=patch)
        self.norm = nn.LayerNorm(channels)

    def forward(self, image: Tensor) -> Tensor:
        """Embed every patch."""
        tokens: Tensor = self.norm(self.projection(image[:, None]).permute(0, 2, 3, 1))
        return tokens


class PatchMerging(nn.Module):
    """Join squares of four tokens into one. Shape: `(B, H, W, C)` -> `(B, H/2, W/2, 2C)`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Merge; the four come in the order of the published weights: down the column first."""
        even, odd = tokens[:, 0::2], tokens[:, 1::2]
        four = [even[:, :, 0::2], odd[:, :, 0::2], even[:, :, 1::2], odd[:, :, 1::2]]
        merged: Tensor = self.reduction(self.norm(torch.cat(four, dim=-1)))
        return merged


class StageOutput(NamedTuple):
    """Shape: `tokens` `(B, H, W, C)` as the blocks leave them, `merged` `(B, H/2, W/2, 2C)`.

    Where a stage does not merge, both are the same.
    """

    tokens: Tensor
    merged: Tensor


class Stage(nn.Module):
    """Blocks at one resolution, every second one shifted, then merging to the next resolution.

    Shape: `(B, H, W, C)` -> `StageOutput`.
    """

    def __init__(
        self, channels: int, depth: int, n_heads: int, *, grid: Grid, window: int, merge: bool
    ) -> None:
        super().__init__()
        tile = fit_window(window, grid)
        shifts = [(0, 0), fit_shift(tile, grid)]
        self.blocks = nn.ModuleList(
            SwinBlock(channels, n_heads, grid, tile, shifts[index % 2]) for index in range(depth)
        )
        self.merge = PatchMerging(channels) if merge else None

    def forward(self, tokens: Tensor) -> StageOutput:
        """Run the blocks, then merge."""
        for block in self.blocks:
            tokens = block(tokens)
        return StageOutput(tokens, tokens if self.merge is None else self.merge(tokens))
