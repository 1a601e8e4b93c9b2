"""A network small enough to be built in every test."""

from __future__ import annotations

import pytest
import torch

from htsat.network import HTSAT, ModelConfig


@pytest.fixture
def small_config() -> ModelConfig:
    return ModelConfig(
        n_classes=5,
        sample_rate=8_000,
        clip_s=1.0,
        n_fft=256,
        hop_length=80,
        n_mels=16,
        max_hz=4_000.0,
        n_folds=4,
        fold_frames=32,
        patch=2,
        window=4,
        dim=8,
        depths=(2, 2),
        n_heads=(2, 4),
    )


@pytest.fixture
def small_network(small_config: ModelConfig) -> HTSAT:
    torch.manual_seed(0)
    return HTSAT(small_config).eval()


@pytest.fixture
def noise(small_config: ModelConfig) -> torch.Tensor:
    """Three clips of quiet noise."""
    return 0.05 * torch.randn(3, small_config.clip_samples, generator=torch.Generator().manual_seed(1))
