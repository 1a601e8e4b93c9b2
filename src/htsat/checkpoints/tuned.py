"""A model file with other rules, and with logits that are scaled: all else stays as it is stored.

The last layer of each head is linear, so that a scale and an offset per class are part of its weights. Every
engine and export then gives scaled logits, and knows nothing of it.

K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from htsat.checkpoints import header
from htsat.checkpoints.file import read_card
from htsat.checkpoints.problems import naming
from htsat.checkpoints.tensors import check_values, read_tensors
from htsat.files import atomic_path
from htsat.network import ModelConfig
from htsat.rules import EventRules

_TAGGING_LAYERS = {"token_semantic": "head.token_semantic", "linear": "head.linear"}
_FINE_LAYER = "fine_head.classifier"


class LogitScaling(NamedTuple):
    """Logits become `scale * logit + offset`. Shape: `(K,)` each."""

    scales: NDArray[np.float64]
    offsets: NDArray[np.float64]


def write_tuned(
    path: Path,
    source: Path,
    rules: EventRules,
    facts: Mapping[str, str],
    scalings: Mapping[str, LogitScaling] | None = None,
) -> None:
    """Write the model of `source` with these rules, whole or not at all.

    `facts` are added to its provenance. `scalings` are by the name of a layer, see `scaled_layers`.

    Raises:
        CheckpointError: when the source is no model, or the rules or scaled weights do not fit it.
    """
    config, card = read_card(source)
    with naming(path):
        card = dataclasses.replace(card, rules=rules, provenance={**card.provenance, **facts})
        tensors = read_tensors(source)
        for layer, scaling in (scalings or {}).items():
            tensors |= _scaled(tensors, layer, scaling)
        check_values(tensors)
    content = save(tensors, metadata=header.encode(config, card))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def scaled_layers(config: ModelConfig) -> tuple[str, str]:
    """The layers of the logits of tagging and of frames: the same one, unless there is a fine head."""
    tagging = _TAGGING_LAYERS[config.head]
    return tagging, _FINE_LAYER if config.fine_width else tagging


def _scaled(tensors: Mapping[str, Tensor], layer: str, scaling: LogitScaling) -> dict[str, Tensor]:
    weight, bias = tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]
    scales, offsets = (torch.from_numpy(values).double() for values in scaling)
    by_class = scales.reshape(-1, *[1] * (weight.ndim - 1))
    return {
        f"{layer}.weight": (by_class * weight.double()).to(weight.dtype),
        f"{layer}.bias": (scales * bias.double() + offsets).to(bias.dtype),
    }
