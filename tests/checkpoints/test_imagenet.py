from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from htsat.checkpoints.convert import convert
from htsat.errors import CheckpointError
from htsat.network import HTSAT

FRESH = ("bn0.", "logmel_extractor.", "tscam_conv.")


@pytest.fixture
def pictures(small_network, foreign):
    """The weights of a small Swin for pictures: three input channels, classes of its own."""
    tensors = {key: tensor for key, tensor in foreign(small_network).items() if not key.startswith(FRESH)}
    generator = torch.Generator().manual_seed(1)
    return tensors | {
        "patch_embed.proj.weight": torch.randn(8, 3, 4, 4, generator=generator),
        "head.weight": torch.zeros(1000, 64),
        "head.bias": torch.zeros(1000),
        "layers.0.blocks.1.attn_mask": torch.zeros(64, 64, 64),
        "layers.0.blocks.0.attn.relative_position_index": torch.zeros(64, 64, dtype=torch.int64),
    }


def test_it_becomes_an_encoder_to_start_from(pictures, small_network, saved):
    (network, card), notes = convert(saved({"model": pictures}, "swin.pth"))
    assert network.config == replace(small_network.config, n_classes=0, head="none")
    fresh = HTSAT(network.config).mel_norm.state_dict()
    expected = small_network.state_dict() | {f"mel_norm.{key}": tensor for key, tensor in fresh.items()}
    expected["patch_embedding.projection.weight"] = pictures["patch_embed.proj.weight"].mean(1, keepdim=True)
    for key, tensor in network.state_dict().items():
        assert torch.equal(tensor, expected[key]), key
    assert len(card.labels) == 0
    assert card.provenance["kind"].endswith("an initialisation only, not a trained listener")
    assert "left out head (2): classes of ImageNet" in notes


def test_another_sample_rate_may_be_asked_for(pictures, saved):
    (network, _), _ = convert(saved({"model": pictures}), sample_rate=48_000)
    assert (network.config.sample_rate, network.config.hop_length) == (48_000, 480)


def test_windows_of_seven_do_not_fit(pictures, saved):
    tables = {key: torch.zeros(169, 3) for key in pictures if key.endswith("bias_table")}
    with pytest.raises(CheckpointError, match=r"169 positions x 3 heads .* 225 \(windows of 8 x 8\) x 4"):
        convert(saved({"model": pictures | tables}))


def test_missing_weights_are_named(pictures, saved):
    del pictures["layers.1.downsample.reduction.weight"]
    with pytest.raises(CheckpointError, match=r"1 tensor missing \(stages.1.merge.reduction.weight\)"):
        convert(saved({"model": pictures}))
