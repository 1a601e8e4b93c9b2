"""The configuration that a set of weights implies: sizes from shapes, the sample rate from the mel filters.

All names of tensors are ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from htsat.checkpoints.names import Converted, Renamed
from htsat.errors import CheckpointError, ConfigError
from htsat.network import ModelConfig
from htsat.network.config import HeadName
from htsat.network.frontend import mel_filterbank

_FILTERBANK = "log_mel.filterbank"
_BATCHES = "mel_norm.num_batches_tracked"
_N_FFT, _N_MELS, _MIN_HZ, _MAX_HZ = 1024, 64, 50.0, 14_000.0
_RATES_HZ = (32_000, 48_000, 16_000)


def complete(renamed: Renamed, head: HeadName, n_classes: int, sample_rate: int) -> Converted:
    """Infer the configuration and add what sources leave out: the mel filterbank, a whole-numbered counter.

    Raises:
        CheckpointError: when a tensor that shows a size is missing, or sizes do not fit each other.
    """
    tensors = renamed.tensors
    config = _config(tensors, head, n_classes, sample_rate)
    built = mel_filterbank(config.sample_rate, config.n_fft, config.n_mels, config.min_hz, config.max_hz)
    # Weight-averaged files hold this counter as a float (official behaviour 7).
    batches = tensors.get(_BATCHES, torch.zeros(())).long()
    remarks = _remarks(tensors.get(_FILTERBANK), built, config)
    return Converted({_FILTERBANK: built, **tensors, _BATCHES: batches}, config, (*renamed.notes, *remarks))


def listening_rate(tensors: Mapping[str, Tensor], given_hz: int | None, usual_hz: int) -> int:
    """The sample rate that was asked for, else the one of the mel filterbank, else the usual one."""
    if given_hz is not None:
        return given_hz
    return _native_rate(tensors.get(_FILTERBANK)) or usual_hz


def shape_of(tensors: Mapping[str, Tensor], key: str, n_axes: int) -> tuple[int, ...]:
    """Shape of a tensor that must be there and have that many axes.

    Raises:
        CheckpointError: when it is or has not.
    """
    if key not in tensors:
        raise CheckpointError(f"tensor {key} is missing")
    shape = tuple(tensors[key].shape)
    if len(shape) != n_axes:
        raise CheckpointError(f"tensor {key} must have {n_axes} axes, got shape {shape}")
    return shape


def _config(tensors: Mapping[str, Tensor], head: HeadName, n_classes: int, sample_rate: int) -> ModelConfig:
    tables = _bias_tables(tensors)
    # A filterbank acts on bins of the spectrum: at another sample rate its edges move along.
    shift = sample_rate / (_native_rate(tensors.get(_FILTERBANK)) or sample_rate)
    try:
        return ModelConfig(
            n_classes=n_classes,
            sample_rate=sample_rate,
            hop_length=sample_rate // 100,
            n_fft=_N_FFT,
            n_mels=_N_MELS,
            min_hz=_MIN_HZ * shift,
            max_hz=min(_MAX_HZ * shift, sample_rate / 2),
            window=(math.isqrt(tables[0][0]) + 1) // 2,
            dim=shape_of(tensors, "patch_embedding.projection.weight", 4)[0],
            depths=_depths(tensors),
            n_heads=tuple(n_heads for _, n_heads in tables),
            head=head,
        )
    except ConfigError as error:
        raise CheckpointError(f"sizes that do not fit: {error}") from None


def _depths(tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    found = [re.match(r"stages\.(\d{1,2})\.blocks\.(\d{1,2})\.", key) for key in tensors]
    blocks = {(int(place[1]), int(place[2])) for place in found if place}
    n_stages = 1 + max((stage for stage, _ in blocks), default=0)
    depths = tuple(sum(stage == index for stage, _ in blocks) for index in range(n_stages))
    # A file without its last block must not pass for a smaller network.
    if any(depth % 2 for depth in depths):
        raise CheckpointError(f"blocks come in pairs (plain, shifted), but its stages have {depths}")
    return depths


def _bias_tables(tensors: Mapping[str, Tensor]) -> list[tuple[int, ...]]:
    """Shape of the table of the first block of each stage: `(2 * window - 1)**2` offsets, heads."""
    keys = [f"stages.{stage}.blocks.0.attention.bias_table" for stage in range(len(_depths(tensors)))]
    return [shape_of(tensors, key, 2) for key in keys]


def _native_rate(filterbank: Tensor | None) -> int | None:
    if filterbank is None:
        return None
    return next((rate for rate in _RATES_HZ if _alike(filterbank, _official_filters(rate))), None)


def _official_filters(sample_rate: int) -> Tensor:
    return mel_filterbank(sample_rate, _N_FFT, _N_MELS, _MIN_HZ, _MAX_HZ)


def _alike(filterbank: Tensor, other: Tensor) -> bool:
    return filterbank.shape == other.shape and torch.allclose(filterbank.float(), other, rtol=1e-3, atol=1e-6)


def _remarks(filterbank: Tensor | None, built: Tensor, config: ModelConfig) -> tuple[str, ...]:
    rate = f"{config.sample_rate} Hz"
    if filterbank is None:
        return (f"the file has no mel filterbank: built the one for {rate}",)
    if _alike(filterbank, built):
        return ()
    n_deaf = int((filterbank == 0).all(dim=0).sum())
    deaf = f"; {n_deaf} of its filters hear nothing" if n_deaf else ""
    return (f"kept the file's own mel filterbank, which is not the usual one for {rate}{deaf}",)
