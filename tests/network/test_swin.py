from __future__ import annotations

import pytest
import torch
from torch import Tensor

from htsat.network.swin import (
    Grid,
    PatchEmbedding,
    PatchMerging,
    Stage,
    SwinBlock,
    WindowAttention,
    drop_path,
    fit_shift,
    fit_window,
    partition,
    relative_position_index,
    shift_mask,
    unpartition,
)


@pytest.mark.parametrize(
    ("window", "grid", "expected"),
    [
        (8, (64, 64), (8, 8)),
        (8, (48, 64), (8, 8)),
        (8, (6, 8), (6, 8)),
        (8, (12, 4), (6, 4)),
        (8, (7, 11), (7, 1)),
    ],
)
def test_the_largest_window_that_tiles(window: int, grid: Grid, expected: Grid) -> None:
    assert fit_window(window, grid) == expected


def test_an_axis_that_one_window_spans_is_not_shifted() -> None:
    assert fit_shift((8, 8), (16, 8)) == (4, 0)
    assert fit_shift((6, 8), (6, 8)) == (0, 0)


@pytest.mark.parametrize(("window", "grid"), [((4, 4), (8, 12)), ((3, 4), (6, 4)), ((1, 1), (2, 3))])
def test_unpartition_takes_partition_back(window: Grid, grid: Grid) -> None:
    tokens = torch.randn(2, *grid, 5)
    windows = partition(tokens, window)
    assert windows.shape == (2, grid[0] * grid[1] // (window[0] * window[1]), window[0] * window[1], 5)
    assert (unpartition(windows, window, grid) == tokens).all()


def test_partition_goes_row_by_row() -> None:
    tokens = torch.arange(24).reshape(1, 4, 6, 1)
    assert partition(tokens, (2, 3))[0, 1, :, 0].tolist() == [3, 4, 5, 9, 10, 11]


@pytest.mark.parametrize("window", [(8, 8), (3, 4)])
def test_one_bias_for_each_offset(window: Grid) -> None:
    rows, columns = window
    index = relative_position_index(window)
    for query in range(rows * columns):
        for key in range(rows * columns):
            down = query // columns - key // columns
            right = query % columns - key % columns
            assert index[query, key] == (down + rows - 1) * (2 * columns - 1) + right + columns - 1
    assert index.unique().tolist() == list(range((2 * rows - 1) * (2 * columns - 1)))


@pytest.mark.parametrize(
    ("grid", "window", "shift"),
    [
        ((16, 16), (8, 8), (4, 4)),
        ((8, 12), (4, 4), (2, 2)),
        ((8, 4), (4, 4), (2, 0)),
        ((6, 12), (6, 4), (0, 2)),
    ],
)
def test_tokens_meet_only_where_rolling_did_not_join_opposite_edges(
    grid: Grid, window: Grid, shift: Grid
) -> None:
    mask = shift_mask(grid, window, shift)
    places = torch.cartesian_prod(torch.arange(grid[0]), torch.arange(grid[1])).reshape(1, *grid, 2)
    windows = partition(places.roll((-shift[0], -shift[1]), (1, 2)), window)[0]  # (n_windows, N, 2)
    for tile, allowed in zip(windows, mask == 0, strict=True):
        for query, key in torch.cartesian_prod(torch.arange(len(tile)), torch.arange(len(tile))).tolist():
            apart = (tile[query] - tile[key]).abs()
            assert allowed[query, key] == bool((apart < torch.tensor(window)).all())
    assert set(mask.unique().tolist()) <= {0.0, -100.0}


def attend_by_loops(attention: WindowAttention, windows: Tensor, mask: Tensor | None) -> Tensor:
    batch, n_windows, n_tokens, channels = windows.shape
    size = channels // attention.n_heads
    out = torch.zeros_like(windows)
    for b in range(batch):
        for w in range(n_windows):
            query, key, value = attention.qkv(windows[b, w]).split(channels, dim=1)
            for head in range(attention.n_heads):
                part = slice(head * size, (head + 1) * size)
                for i in range(n_tokens):
                    logits = key[:, part] @ query[i, part] / size**0.5
                    logits = logits + attention.bias_table[attention.bias_index[i], head]
                    if mask is not None:
                        logits = logits + mask[w, i]
                    out[b, w, i, part] = logits.softmax(dim=0) @ value[:, part]
    return attention.projection(out)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_equals_plain_loops(masked: bool) -> None:
    torch.manual_seed(0)
    attention = WindowAttention(12, 3, (2, 4)).eval()
    torch.nn.init.normal_(attention.bias_table)
    mask = shift_mask((4, 8), (2, 4), (1, 2)) if masked else None
    windows = torch.randn(2, 4, 8, 12)
    with torch.no_grad():
        torch.testing.assert_close(attention(windows, mask), attend_by_loops(attention, windows, mask))


def test_a_block_that_is_not_shifted_keeps_to_its_windows() -> None:
    torch.manual_seed(0)
    block = SwinBlock(8, 2, (8, 8), (4, 4), (0, 0)).eval()
    tokens = torch.randn(1, 8, 8, 8)
    changed = tokens.clone()
    changed[0, 0, 0] = torch.randn(8)
    moved = (block(changed) != block(tokens)).any(dim=3)[0]
    assert moved[:4, :4].all()
    assert not moved[4:].any()
    assert not moved[:, 4:].any()


def test_a_shifted_block_joins_neighbours_but_not_opposite_edges() -> None:
    torch.manual_seed(0)
    block = SwinBlock(8, 2, (8, 8), (4, 4), (2, 2)).eval()
    tokens = torch.randn(1, 8, 8, 8)
    changed = tokens.clone()
    changed[0, 3, 3] = torch.randn(8)
    moved = (block(changed) != block(tokens)).any(dim=3)[0]
    assert moved[2:6, 2:6].all()
    moved[2:6, 2:6] = False
    assert not moved.any()


def test_drop_path_does_nothing_in_evaluation_or_at_rate_zero() -> None:
    branch = torch.randn(4, 3, 3, 2)
    assert drop_path(branch, 0.5, training=False) is branch
    assert drop_path(branch, 0.0, training=True) is branch


def test_drop_path_leaves_out_whole_samples_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropped = drop_path(torch.ones(20_000, 2, 2, 1), 0.3, training=True).flatten(1)
    assert (dropped == dropped[:, :1]).all()
    torch.testing.assert_close(dropped[:, 0].unique(), torch.tensor([0.0, 1 / 0.7]))
    assert abs(float(dropped.mean()) - 1.0) < 0.02


def test_patches_are_the_tokens_in_reading_order() -> None:
    torch.manual_seed(0)
    embedding = PatchEmbedding(4, 6)
    image = torch.randn(1, 8, 12)
    tokens = embedding(image)
    assert tokens.shape == (1, 2, 3, 6)
    patch = image[:, 4:8, 8:12]
    torch.testing.assert_close(embedding(patch)[0, 0, 0], tokens[0, 1, 2])


def test_merging_takes_four_tokens_down_the_column_first() -> None:
    torch.manual_seed(0)
    merging = PatchMerging(3)
    tokens = torch.randn(1, 4, 6, 3)
    four = torch.cat([tokens[0, 2, 4], tokens[0, 3, 4], tokens[0, 2, 5], tokens[0, 3, 5]])
    torch.testing.assert_close(merging(tokens)[0, 1, 2], merging.reduction(merging.norm(four)))


def test_a_stage_shifts_every_second_block_and_merges_at_the_end() -> None:
    stage = Stage(8, 3, 2, grid=(8, 16), window=4, merge=True)
    assert [block.shift for block in stage.blocks] == [(0, 0), (2, 2), (0, 0)]
    output = stage(torch.randn(1, 8, 16, 8))
    assert output.tokens.shape == (1, 8, 16, 8)
    assert output.merged.shape == (1, 4, 8, 16)
