"""Our model file: one `.safetensors` with the weights and all that is needed to use them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from safetensors.torch import save
from torch import Tensor

from htsat.checkpoints import header
from htsat.checkpoints.card import ModelCard
from htsat.checkpoints.problems import naming
from htsat.checkpoints.tensors import build, check_values, read_metadata, read_tensors
from htsat.files import atomic_path
from htsat.network import HTSAT, ModelConfig

# Filter slopes and mean levels in decibels would feel the ten bits of float16; together they are 130 kB.
_ALWAYS_FLOAT32 = ("log_mel.", "mel_norm.")


class Model(NamedTuple):
    """A network and what is known about it."""

    network: HTSAT
    card: ModelCard


def save_model(path: Path, network: HTSAT, card: ModelCard, *, half: bool = False) -> None:
    """Write a model file, whole or not at all.

    With `half` the weights are stored as float16, at half the size; the mel filterbank and the batch norm
    stay float32. Loading gives float32 either way.

    Raises:
        CheckpointError: when the card does not fit the network, or a weight is not finite (in float16).
    """
    with naming(path):
        header.check_classes(network.config, card)
        state = {key: _stored(key, tensor, half) for key, tensor in network.state_dict().items()}
        check_values(state)
    content = save(state, metadata=header.encode(network.config, card))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _stored(key: str, tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    shrinks = half and tensor.is_floating_point() and not key.startswith(_ALWAYS_FLOAT32)
    return tensor.half() if shrinks else tensor


def load_model(path: Path) -> Model:
    """Read a model file; the network is in float32 and in evaluation mode.

    Raises:
        CheckpointError: when the file is not exactly a model of this format.
    """
    with naming(path):
        config, card = header.decode(read_metadata(path))
        return Model(build(config, read_tensors(path)), card)


def read_card(path: Path) -> tuple[ModelConfig, ModelCard]:
    """Read what a model file says about itself, without its weights.

    Raises:
        CheckpointError: when the file is not a model of this format.
    """
    with naming(path):
        return header.decode(read_metadata(path))
