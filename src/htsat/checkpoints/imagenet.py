"""Swin-T/C24 trained on ImageNet: where the paper's training starts. Source: official behaviour 8."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from htsat.checkpoints.names import RECOMPUTED, SWIN, Converted, Renamed, rename
from htsat.checkpoints.sizes import complete, listening_rate, shape_of
from htsat.errors import CheckpointError

KIND = "Swin-T/C24 for ImageNet pictures: an initialisation only, not a trained listener"
_USUAL_RATE_HZ = 32_000
_PROJECTION = "patch_embedding.projection.weight"
_LEFT_OUT = (*RECOMPUTED, (".head.", "classes of ImageNet"))
_N_OFFSETS = 225
_N_MELS = 64


def claims(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of a Swin transformer for pictures."""
    return "patch_embed.proj.weight" in tensors and any(key.startswith("layers.") for key in tensors)


def convert(tensors: Mapping[str, Tensor], sample_rate: int | None) -> Converted:
    """An encoder to start training from: one input channel (the mean of three), a fresh batch norm.

    Raises:
        CheckpointError: when its attention windows are not 8 x 8 tokens, or a tensor is missing.
    """
    renamed = rename(tensors, SWIN, _LEFT_OUT)
    n_offsets, n_heads = shape_of(renamed.tensors, "stages.0.blocks.0.attention.bias_table", 2)
    if n_offsets != _N_OFFSETS:
        raise CheckpointError(
            f"has attention tables of {n_offsets} positions x {n_heads} heads in its first stage; "
            f"expected Swin-T/C24 for 256 x 256 pictures: {_N_OFFSETS} (windows of 8 x 8) x 4"
        )
    shape_of(renamed.tensors, _PROJECTION, 4)
    one_channel = renamed.tensors[_PROJECTION].float().mean(dim=1, keepdim=True)
    fresh = {f"mel_norm.{key}": tensor for key, tensor in nn.BatchNorm1d(_N_MELS).state_dict().items()}
    listening = Renamed({**fresh, **renamed.tensors, _PROJECTION: one_channel}, renamed.notes)
    return complete(listening, "none", 0, listening_rate({}, sample_rate, _USUAL_RATE_HZ))
