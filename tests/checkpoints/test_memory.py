"""What a network takes, told without making it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from htsat.checkpoints import memory, save_model
from htsat.checkpoints.card import ModelCard
from htsat.errors import CheckpointError
from htsat.network import HTSAT, ModelConfig

CONFIGS = [
    ModelConfig(n_classes=527),
    ModelConfig.named("nano", n_classes=2, fine_width=64),
    ModelConfig(n_classes=200, dim=8, n_heads=(1, 2, 2, 4), fine_width=32, window=4),
    ModelConfig(n_classes=3, head="linear", dim=16, window=16),
    ModelConfig(n_classes=0, head="none", depths=(1, 5), n_heads=(1, 2), dim=4),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_it_is_what_the_network_takes(config: ModelConfig) -> None:
    """Of the weights all but the vectors; of what is computed at least as much."""
    network = HTSAT(config)
    n_weights = sum(tensor.numel() for tensor in network.state_dict().values())
    assert 0.9 * n_weights < memory._n_weights(config) <= n_weights
    kept = network.state_dict()
    n_computed = sum(tensor.numel() for name, tensor in network.named_buffers() if name not in kept)
    assert n_computed <= memory._n_computed(config) + config.n_fft <= 3 * n_computed


def test_more_blocks_than_tensors_are_not_made() -> None:
    """Narrow blocks are few weights, but each takes some kB by itself."""
    config = ModelConfig(n_classes=2, dim=1, depths=(10**6,), n_heads=(1,))
    weights = dict(HTSAT(ModelConfig(n_classes=2)).state_dict())
    with pytest.raises(CheckpointError, match=r"asks for 1,000,000 blocks, the file has \d+ tensors$"):
        memory.check_size(config, weights)


def test_a_model_is_opened_without_the_compiler(
    tmp_path: Path, small_network: HTSAT, small_card: ModelCard
) -> None:
    save_model(tmp_path / "model.safetensors", small_network, small_card)
    code = f"""
import sys
from pathlib import Path
from htsat.checkpoints import load_model
load_model(Path({str(tmp_path / "model.safetensors")!r}))
print([name for name in ("sympy", "torch._dynamo") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
