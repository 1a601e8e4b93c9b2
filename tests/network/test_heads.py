from __future__ import annotations

import torch
from torch import nn

from htsat.network.heads import FineHead, LinearHead, MapSize, NoHead, TemporalBlock, TokenSemanticHead


def features() -> torch.Tensor:
    return torch.randn(2, 8, 2, 6, generator=torch.Generator().manual_seed(0))


def test_token_semantic_head_sees_all_frequencies_and_three_frames() -> None:
    head = TokenSemanticHead(8, 2, 5)
    kernel, bias = head.token_semantic.weight, head.token_semantic.bias
    padded = nn.functional.pad(features(), (1, 1))
    expected = torch.stack(
        [torch.einsum("bcfw,kcfw->bk", padded[..., frame : frame + 3], kernel) + bias for frame in range(6)],
        dim=1,
    )
    torch.testing.assert_close(head(features()), expected)


def test_linear_head_looks_at_one_frame_only() -> None:
    head = LinearHead(8, 5)
    changed = features()
    changed[:, :, :, 3] += 1.0
    moved = (head(changed) != head(features())).any(dim=2)
    assert moved.nonzero()[:, 1].unique().tolist() == [3]


def test_linear_head_on_the_mean_feature_is_its_clip_output() -> None:
    head = LinearHead(8, 5)
    torch.testing.assert_close(head(features()).mean(dim=1), head.linear(features().mean(dim=(2, 3))))


def test_no_head_gives_zero_classes() -> None:
    assert NoHead()(features()).shape == (2, 6, 0)


def token_grids() -> list[torch.Tensor]:
    """The grids of two stages and two folds: 2 x 4 frequency cells and 2 x 6 frames, then half of each."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 8, 6, 4, generator=generator), torch.randn(2, 4, 3, 8, generator=generator)]


def fine_head() -> FineHead:
    torch.manual_seed(0)
    return FineHead([MapSize(4, 4), MapSize(8, 2)], n_folds=2, width=6, n_classes=5)


def test_the_fine_head_answers_in_the_frames_of_the_first_stage() -> None:
    assert fine_head()(token_grids()).shape == (2, 12, 5)


def test_the_fine_head_looks_at_every_cell_of_every_stage() -> None:
    head, grids = fine_head(), [grid.requires_grad_() for grid in token_grids()]
    head(grids).square().sum().backward()
    assert all(grid.grad is not None and (grid.grad != 0).all() for grid in grids)


def test_the_fine_head_joins_the_folds_in_time() -> None:
    """A cell at the seam moves frames on both of its sides, which lie far from each other in the picture."""
    head, grids = fine_head(), token_grids()
    changed = [grid.clone() for grid in grids]
    changed[0][:, 4:, 0, 0] += 1.0  # the first frame of the second fold
    moved = (head(changed) - head(grids)).abs().sum(dim=(0, 2))
    assert (moved > 0).nonzero().flatten().tolist() == list(range(3, 10))


def test_a_temporal_block_that_adds_nothing_is_the_identity() -> None:
    block = TemporalBlock(6)
    nn.init.zeros_(block.mlp[-1].weight)
    nn.init.zeros_(block.mlp[-1].bias)
    frames = torch.randn(2, 9, 6)
    torch.testing.assert_close(block(frames), frames)
