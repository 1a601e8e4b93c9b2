from __future__ import annotations

import torch
from torch import nn

from htsat.network.heads import LinearHead, NoHead, TokenSemanticHead


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
