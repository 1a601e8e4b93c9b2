"""What several tests share: outputs, weights and sounds of the official network, and sizes of small ones."""

from __future__ import annotations

import dataclasses
import functools
import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from htsat.checkpoints import Model, ModelCard
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import BoxRules, EventRules

GOLDEN = Path(__file__).parent / "golden"
SAMPLE_RATE = 32_000
ODD_LABELS = ("Male speech, man speaking", "<b>Ü&\"'\n\t日本\x7f", "\\ 100 %")


@pytest.fixture(autouse=True)
def tiny_numbers() -> None:
    """They count: training in this process leaves them off, which hypothesis refuses to work with."""
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def golden() -> Mapping[str, NDArray[np.float32]]:
    """The arrays of the official network; see `golden/README.md`."""
    with np.load(GOLDEN / "official_outputs.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def golden_facts() -> dict[str, object]:
    """State dict layouts, the loss and the gradient norms of the official network."""
    facts: dict[str, object] = json.loads((GOLDEN / "official_outputs.json").read_text())
    return facts


@pytest.fixture(scope="session")
def official_waveforms() -> Tensor:
    """The two inputs of the golden outputs, `(2, 320000)` at 32 kHz."""
    time_s = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    chirp = 0.2 * np.sin(2 * np.pi * 440 * time_s * (1 + 0.1 * time_s))
    noise = [0.05 * np.random.RandomState(seed).standard_normal(len(time_s)) for seed in (0, 1)]
    return torch.tensor(np.stack(noise) + chirp, dtype=torch.float32)


@pytest.fixture(scope="session")
def official_state_dict() -> Callable[[str], dict[str, Tensor]]:
    """Maker of the weights of the golden outputs under the official names, without prefix.

    Kinds: `hc` (527 classes), `ce50` (50 classes), `h` (527 classes, linear head). All buffers of the
    official files are there, of their own types; the position indices and masks hold zeros.
    """
    return _official_state_dict


def _official_state_dict(kind: str) -> dict[str, Tensor]:
    layout = json.loads((GOLDEN / "official_outputs.json").read_text())
    shapes = dict(layout["state_dict_h_527" if kind == "h" else "state_dict_hc_527"])
    if kind == "ce50":
        classifier = {"tscam_conv.weight": [50, 768, 2, 3], "tscam_conv.bias": [50]}
        shapes |= classifier | {"head.weight": [50, 50], "head.bias": [50]}
    return {key: _tensor(key, tuple(shape)) for key, shape in shapes.items()}


@functools.cache
def _tensor(key: str, shape: tuple[int, ...]) -> Tensor:
    if key == "logmel_extractor.melW":
        with np.load(GOLDEN / "official_outputs.npz") as arrays:
            return torch.tensor(arrays["melW"])
    if key.endswith(("relative_position_index", "num_batches_tracked")):
        return torch.zeros(shape, dtype=torch.int64)
    if key.startswith("spectrogram_extractor.") or key.endswith("attn_mask"):
        return torch.zeros(shape)
    return torch.tensor(_draw(key, shape), dtype=torch.float32)


def _draw(key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The rule of `golden/README.md`."""
    normal = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape)
    if key == "bn0.running_mean":
        return -30 + 5 * normal
    if key == "bn0.running_var":
        return 100 + 20 * np.abs(normal)
    if key.endswith(".bias"):
        return 0.05 * normal
    if len(shape) == 1:
        return 1 + 0.1 * normal
    if key.endswith("relative_position_bias_table"):
        return 0.5 * normal
    return normal / np.sqrt(np.prod(shape[1:]))


@pytest.fixture(scope="session")
def one_second_config() -> ModelConfig:
    """Three classes, clips of 1 s at 8 kHz in frames of 31.25 ms, four folds."""
    return ModelConfig(
        n_classes=3,
        sample_rate=8_000,
        clip_s=1.0,
        n_fft=256,
        hop_length=80,
        n_mels=16,
        max_hz=4_000.0,
        fold_frames=32,
        patch=2,
        window=4,
        dim=8,
        depths=(2, 2),
        n_heads=(2, 4),
    )


@pytest.fixture(scope="session")
def half_second_config() -> ModelConfig:
    """Two classes, clips of half a second at 8 kHz, one fold, one block in each of two stages."""
    return ModelConfig(
        n_classes=2,
        sample_rate=8_000,
        clip_s=0.5,
        n_fft=256,
        hop_length=80,
        n_mels=16,
        max_hz=4_000.0,
        n_folds=1,
        fold_frames=64,
        window=4,
        dim=16,
        depths=(1, 1),
        n_heads=(2, 4),
        drop_path=0.0,
    )


@pytest.fixture(scope="session")
def lively() -> Callable[[ModelConfig], HTSAT]:
    """Maker of networks with weights as large as learned ones: whatever is left out is seen."""
    return _lively


def _lively(config: ModelConfig) -> HTSAT:
    network = HTSAT(config).eval()
    for name, tensor in network.state_dict().items():
        if name != "log_mel.filterbank" and tensor.is_floating_point():
            like_official = name.replace("mel_norm.", "bn0.").replace(
                "bias_table", "relative_position_bias_table"
            )
            tensor.copy_(torch.tensor(_draw(like_official, tuple(tensor.shape))))
    return network


@pytest.fixture(scope="session")
def small_model(half_second_config: ModelConfig, lively: Callable[[ModelConfig], HTSAT]) -> Model:
    """A model with odd names of classes, and rules of its own for each class. Not to be changed."""
    config = dataclasses.replace(half_second_config, n_classes=len(ODD_LABELS))
    boxes = BoxRules(step_s=(0.1, 0.2, 0.3))
    rules = EventRules((0.25, 0.5, 0.75), min_duration_s=(0.0, 0.5, 1.0), boxes=boxes)
    card = ModelCard(
        LabelSet(ODD_LABELS), "multi_label", rules, {"licence": "MIT", "made by": '<Müller & "Söhne">'}
    )
    return Model(lively(config), card)


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch, half_second_config: ModelConfig) -> None:
    """Gives the small network every name."""

    def named(name: str, **changes: object) -> ModelConfig:
        return dataclasses.replace(half_second_config, **changes)  # type: ignore[arg-type]

    monkeypatch.setattr(ModelConfig, "named", named)
