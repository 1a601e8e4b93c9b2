"""Audio encoders of CLAP models that hear through HTS-AT, as LAION and as Hugging Face name their weights.

They become encoders: contrastive training never touches the classifier. Both sources listen at 48 kHz through
64 Slaney mel filters from 50 to 14,000 Hz (at Hugging Face: those of the feature extractor's `rand_trunc`).
Models that fuse several views of a long recording have other filters and more weights, and are refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from htsat.checkpoints.names import RECOMPUTED, SWIN, Converted, Names, Renamed, Tensors, beneath, rename
from htsat.checkpoints.sizes import complete, listening_rate, shape_of
from htsat.errors import CheckpointError

LAION_PREFIX = "audio_branch."
HUGGING_FACE_PREFIXES = ("audio_model.audio_encoder.", "audio_encoder.")
_USUAL_RATE_HZ = 48_000
_FUSION = (".mel_conv2d.", ".fusion_model.")
_FUSED = "of the fusion type, which hears four views of a recording at once; take an unfused CLAP model"
_UNTRAINED = "a classifier that contrastive training never touches"
_LEFT_OUT = (*RECOMPUTED, (".tscam_conv.", _UNTRAINED), (".head.", _UNTRAINED))

_HUGGING_FACE: Names = (
    ("batch_norm.", "mel_norm."),
    ("patch_embed.proj.", "patch_embedding.projection."),
    ("patch_embed.norm.", "patch_embedding.norm."),
    ("layers.", "stages."),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
    (".attention.self.relative_position_bias_table", ".attention.bias_table"),
    (".attention.output.dense.", ".attention.projection."),
    (".intermediate.dense.", ".mlp.0."),
    (".output.dense.", ".mlp.2."),
    (".downsample.", ".merge."),
)


def hugging_face_prefix(tensors: Mapping[str, Tensor]) -> str | None:
    """The beginning of the names of a Hugging Face audio encoder, if there is one."""
    return next((prefix for prefix in HUGGING_FACE_PREFIXES if f"{prefix}batch_norm.weight" in tensors), None)


def from_laion(tensors: Mapping[str, Tensor], sample_rate: int | None) -> Converted:
    """The encoder of a LAION-CLAP checkpoint.

    Raises:
        CheckpointError: when it is of the fusion type, or a tensor that shows a size is missing.
    """
    return _encoder(tensors, LAION_PREFIX, SWIN, sample_rate)


def from_hugging_face(tensors: Mapping[str, Tensor], prefix: str, sample_rate: int | None) -> Converted:
    """The encoder of a `ClapModel` or `ClapAudioModel` of transformers.

    Raises:
        CheckpointError: when it is of the fusion type, or a tensor that shows a size is missing.
    """
    return _encoder(tensors, prefix, _HUGGING_FACE, sample_rate)


def _encoder(tensors: Mapping[str, Tensor], prefix: str, names: Names, sample_rate: int | None) -> Converted:
    branch = beneath(tensors, prefix)
    if any(part in f".{key}" for key in branch for part in _FUSION):
        raise CheckpointError(f"is {_FUSED}")
    kept, notes = rename(_stacked(branch), names, _LEFT_OUT)
    n_beside = len(tensors) - len(branch)
    if n_beside:
        notes = (*notes, f"left out {n_beside} tensors beside the audio branch: text and projections")
    return complete(Renamed(kept, notes), "none", 0, listening_rate(kept, sample_rate, _USUAL_RATE_HZ))


def _stacked(tensors: Tensors) -> Tensors:
    """Join query, key and value, which Hugging Face keeps apart, in this order."""
    stacked: Tensors = {}
    for key, tensor in tensors.items():
        if ".attention.self.query." in key:
            stacked[key.replace(".self.query.", ".qkv.")] = torch.cat(_query_key_value(tensors, key))
        elif ".attention.self.key." not in key and ".attention.self.value." not in key:
            stacked[key] = tensor
    return stacked


def _query_key_value(tensors: Tensors, query: str) -> list[Tensor]:
    keys = [query.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
    n_axes = tensors[query].ndim
    if not n_axes or len({shape_of(tensors, key, n_axes) for key in keys}) > 1:
        raise CheckpointError(f"query, key and value differ in shape at {query}")
    return [tensors[key] for key in keys]
