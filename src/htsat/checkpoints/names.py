"""From the names of other sources to ours: tables of names, and what is left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from htsat.network import ModelConfig

Tensors = dict[str, Tensor]
Names = tuple[tuple[str, str], ...]
"""Parts of foreign names and what they are called here."""
Reasons = tuple[tuple[str, str], ...]
"""Parts of foreign names that are left out, and why."""

SWIN: Names = (
    ("bn0.", "mel_norm."),
    ("patch_embed.proj.", "patch_embedding.projection."),
    ("patch_embed.norm.", "patch_embedding.norm."),
    ("layers.", "stages."),
    (".attn.qkv.", ".attention.qkv."),
    (".attn.proj.", ".attention.projection."),
    (".attn.relative_position_bias_table", ".attention.bias_table"),
    (".mlp.fc1.", ".mlp.0."),
    (".mlp.fc2.", ".mlp.2."),
    (".downsample.", ".merge."),
    ("logmel_extractor.melW", "log_mel.filterbank"),
    ("tscam_conv.", "head.token_semantic."),
)
"""Names of the Swin transformer, which the official HTS-AT and LAION-CLAP share."""

RECOMPUTED: Reasons = (
    ("spectrogram_extractor.", "kernels of a Fourier transform, which torch.stft replaces"),
    (".relative_position_index", "recomputed from the window"),
    (".attn_mask", "recomputed from the grid"),
)


class Converted(NamedTuple):
    """Weights under our names, the sizes they imply, and remarks for the user."""

    tensors: Tensors
    config: ModelConfig
    notes: tuple[str, ...]


class Renamed(NamedTuple):
    """Tensors under our names, and what was left out."""

    tensors: Tensors
    notes: tuple[str, ...]


def rename(tensors: Mapping[str, Tensor], names: Names, left_out: Reasons) -> Renamed:
    """Give tensors our names. What no table knows keeps its name, so that it is refused later."""
    kept: Tensors = {}
    counts = dict.fromkeys(left_out, 0)
    for key, tensor in tensors.items():
        entry = next((entry for entry in left_out if entry[0] in f".{key}"), None)
        if entry is None:
            kept[_ours(key, names)] = tensor
        else:
            counts[entry] += 1
    notes = [f"left out {part.strip('.')} ({count}): {why}" for (part, why), count in counts.items() if count]
    return Renamed(kept, tuple(notes))


def _ours(key: str, names: Names) -> str:
    for theirs, ours in names:
        key = key.replace(theirs, ours, 1)
    return key


def beneath(tensors: Mapping[str, Tensor], prefix: str) -> Tensors:
    """The tensors whose names begin with `prefix`, without it."""
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
