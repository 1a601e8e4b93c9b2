"""A network small enough to be built in every test."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from htsat.network import HTSAT, ModelConfig


@pytest.fixture
def small_config(one_second_config: ModelConfig) -> ModelConfig:
    return dataclasses.replace(one_second_config, n_classes=5)


@pytest.fixture
def small_network(small_config: ModelConfig) -> HTSAT:
    torch.manual_seed(0)
    return HTSAT(small_config).eval()


@pytest.fixture
def noise(small_config: ModelConfig) -> torch.Tensor:
    """Three clips of quiet noise."""
    return 0.05 * torch.randn(3, small_config.clip_samples, generator=torch.Generator().manual_seed(1))
