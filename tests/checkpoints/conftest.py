"""A small model, and its weights as other sources would name them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from htsat.checkpoints import ModelCard
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules, default_rules

LAION_NAMES = (
    ("mel_norm.", "bn0."),
    ("patch_embedding.projection.", "patch_embed.proj."),
    ("patch_embedding.", "patch_embed."),
    ("stages.", "layers."),
    (".attention.projection.", ".attn.proj."),
    (".attention.bias_table", ".attn.relative_position_bias_table"),
    (".attention.", ".attn."),
    (".mlp.0.", ".mlp.fc1."),
    (".mlp.2.", ".mlp.fc2."),
    (".merge.", ".downsample."),
    ("log_mel.filterbank", "logmel_extractor.melW"),
    ("head.token_semantic.", "tscam_conv."),
    ("head.linear.", "head."),
)


@pytest.fixture(scope="session")
def small_network() -> HTSAT:
    """A network of some ten thousand weights, every one of them random."""
    config = ModelConfig(n_classes=3, dim=8, depths=(2, 2, 2, 2), n_heads=(1, 2, 2, 4))
    return _randomised(HTSAT(config))


@pytest.fixture(scope="session")
def small_card() -> ModelCard:
    labels = LabelSet.of(["dog", "café", "rain"])
    return ModelCard(
        labels, "multi_label", EventRules((0.1, 0.25, 1.0), max_gap_s=(0.5, 0.0, 2.0)), {"source": "a test"}
    )


@pytest.fixture(scope="session")
def encoder_card() -> ModelCard:
    return ModelCard(LabelSet(()), "multi_label", default_rules("multi_label", 0))


@pytest.fixture(scope="session")
def small_waveform() -> Tensor:
    return 0.1 * torch.randn(1, 320_000, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def foreign() -> Callable[[HTSAT], dict[str, Tensor]]:
    """The weights of a network under the names of the official code and of LAION, without prefix."""

    def renamed(network: HTSAT) -> dict[str, Tensor]:
        state = network.state_dict()
        for ours, theirs in LAION_NAMES:
            state = {key.replace(ours, theirs): tensor for key, tensor in state.items()}
        return state

    return renamed


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Save an object as torch does. The files are large, so they do not outlive the test."""
    names = set()

    def save(content: object, name: str = "foreign.ckpt", **options: object) -> Path:
        names.add(name)
        torch.save(content, tmp_path / name, **options)
        return tmp_path / name

    yield save
    for name in names:
        (tmp_path / name).unlink()


def _randomised(network: HTSAT) -> HTSAT:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
        network.mel_norm.running_mean.copy_(torch.randn(64, generator=generator) - 30)
        network.mel_norm.running_var.copy_(torch.rand(64, generator=generator) + 100)
    return network.eval()
