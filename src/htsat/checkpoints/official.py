"""Checkpoints of the official code, RetroCirce/HTS-Audio-Transformer (official behaviour 1, 4, 5, 7)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from htsat.checkpoints.names import RECOMPUTED, SWIN, Converted, rename
from htsat.checkpoints.sizes import complete, listening_rate, shape_of
from htsat.errors import CheckpointError

PREFIX = "sed_model."
_USUAL_RATE_HZ = 32_000


def claims(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of an official network, `PREFIX` removed."""
    return any(key.startswith(("bn0.", "tscam_conv.", "logmel_extractor.")) for key in tensors)


def convert(tensors: Mapping[str, Tensor], sample_rate: int | None) -> Converted:
    """Weights of an official network: HC with its token-semantic head, or the ablation H with a linear one.

    The sample rate is that of the file's mel filterbank unless one is given. The two differ in the published
    Speech Commands model, which hears 16 kHz through the filterbank of 32 kHz.

    Raises:
        CheckpointError: when there is no classifier, or a tensor that shows a size is missing.
    """
    if "tscam_conv.weight" in tensors:
        return _with_token_semantic_head(tensors, sample_rate)
    if "head.weight" in tensors:
        return _with_linear_head(tensors, sample_rate)
    raise CheckpointError("has no classifier: expected tscam_conv.weight, or head.weight for the ablation H")


def _with_token_semantic_head(tensors: Mapping[str, Tensor], sample_rate: int | None) -> Converted:
    unused = (".head.", "made by the official network but never used")
    renamed = rename(tensors, SWIN, (*RECOMPUTED, unused))
    n_classes = shape_of(renamed.tensors, "head.token_semantic.weight", 4)[0]
    rate = listening_rate(renamed.tensors, sample_rate, _USUAL_RATE_HZ)
    return complete(renamed, "token_semantic", n_classes, rate)


def _with_linear_head(tensors: Mapping[str, Tensor], sample_rate: int | None) -> Converted:
    renamed = rename(tensors, (("head.", "head.linear."), *SWIN), RECOMPUTED)
    n_classes = shape_of(renamed.tensors, "head.linear.weight", 2)[0]
    rate = listening_rate(renamed.tensors, sample_rate, _USUAL_RATE_HZ)
    return complete(renamed, "linear", n_classes, rate)
