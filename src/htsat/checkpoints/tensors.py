"""Tensors of a file, and whether they are exactly the weights of a network: never a part of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from htsat.checkpoints.problems import check_names, plural, some
from htsat.errors import CheckpointError, last_line
from htsat.files import text_path
from htsat.network import HTSAT, ModelConfig

# A clip of a minute in steps of 10 ms needs 37 million.
_MAX_STRETCH = 100_000_000

# The published networks need 10 million: what is computed once for their windows, and the stretch.
_MAX_COMPUTED = 250_000_000

_MAX_WINDOW = 1024

_REALS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def read_metadata(path: Path) -> dict[str, str]:
    """The texts in the header of a safetensors file; no tensor is read.

    Raises:
        CheckpointError: when there is no whole safetensors file.
    """
    with _opened(path) as file:
        metadata: dict[str, str] | None = file.metadata()
        return metadata or {}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises:
        CheckpointError: when there is no whole safetensors file, or a tensor is of an unusual kind.
    """
    with _opened(path) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - the file is no mapping
    check_plain(tensors)
    return tensors


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with text_path(path) as name, safe_open(name, framework="pt") as file:
            yield file
    except SafetensorError as error:
        raise CheckpointError(f"not a whole safetensors file: {error}{_hint(path)}") from None
    except FileNotFoundError:
        raise CheckpointError("no such file") from None
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error}") from None


def _hint(path: Path) -> str:
    match path.suffix:
        case ".safetensors":
            return ""
        case ".onnx" | ".xml":
            return "; an exported model only listens: this needs the .safetensors it was made from"
    return "; a foreign checkpoint must go through `htsat convert`"


def build(config: ModelConfig, tensors: Mapping[str, Tensor]) -> HTSAT:
    """A network in evaluation mode with exactly these weights, in float32.

    Raises:
        CheckpointError: when the tensors are not the weights of such a network.
    """
    _check_size(config, sum(tensor.numel() for tensor in tensors.values()))
    sketch = _sketch(config)
    check_like(sketch.state_dict(), tensors)
    check_values(tensors)
    _check_computed(sketch)
    network = HTSAT(config)
    network.load_state_dict(dict(tensors))
    return network.eval()


def check_like(expected: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are missing, unknown, of another shape, or integers for reals.

    Raises:
        CheckpointError: naming the first few and how many there are.
    """
    check_names("tensor", expected, got)
    wrong = [
        f"{key} is {_kind(got[key])}, expected {_kind(tensor)}"
        for key, tensor in expected.items()
        if _kind(tensor) != _kind(got[key])
    ]
    if wrong:
        count = plural(len(wrong), "tensor")
        raise CheckpointError(f"{count} of another shape or type: {some(wrong, n_shown=1)}")


def check_plain(tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are no arrays of usual numbers in memory.

    Raises:
        CheckpointError: naming the first few and how many there are.
    """
    odd = [
        f"{key} ({tensor.layout}, {tensor.dtype})" for key, tensor in tensors.items() if not _is_plain(tensor)
    ]
    if odd:
        raise CheckpointError(f"{plural(len(odd), 'tensor')} of an unusual kind: {some(odd)}")


def _is_plain(tensor: Tensor) -> bool:
    is_array = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    return is_array and tensor.dtype in (*_REALS, *_INTEGERS)


def check_values(tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not finite, and variances that are negative.

    Raises:
        CheckpointError: naming the first few tensors and how many there are.
    """
    bad = [key for key, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise CheckpointError(f"NaN or infinity in {plural(len(bad), 'tensor')} ({some(bad)})")
    negative = [key for key, tensor in tensors.items() if key.endswith("running_var") and (tensor < 0).any()]
    if negative:
        raise CheckpointError(f"negative variances in {some(negative)}")


def _kind(tensor: Tensor) -> str:
    number = "real" if tensor.is_floating_point() else "integer"
    return f"{number} {tuple(tensor.shape)}"


def _check_size(config: ModelConfig, n_values: int) -> None:
    """Refuse a configuration that asks for far more memory than its weights justify, before any is taken.

    This makes sure that a sketch of the network is small, too.
    """
    n_blocks = sum(12 * depth * (config.dim * 2**stage) ** 2 for stage, depth in enumerate(config.depths))
    n_needed = n_blocks + max(config.n_fft // 2, 1) * config.n_mels
    if n_needed > 2 * n_values:
        raise CheckpointError(f"config asks for {n_needed:,} weights or more, the file has {n_values:,}")
    if config.window > _MAX_WINDOW:
        raise CheckpointError(f"config asks for windows of {config.window:,}, allowed are {_MAX_WINDOW:,}")
    n_stretch = config.n_mel_frames * config.n_folds * config.fold_frames
    if n_stretch > _MAX_STRETCH:
        raise CheckpointError(
            f"config asks for {n_stretch:,} values to stretch time, allowed are {_MAX_STRETCH:,}"
        )


def _sketch(config: ModelConfig) -> HTSAT:
    """The network without its memory: names and shapes."""
    try:
        with torch.device("meta"):
            return HTSAT(config)
    except (RuntimeError, OverflowError) as error:
        raise CheckpointError(f"config asks for a network that cannot be: {last_line(error)}") from None


def _check_computed(sketch: HTSAT) -> None:
    """Refuse a network for which more has to be computed than there can be, such as masks of huge grids."""
    n_computed = sum(buffer.numel() for buffer in sketch.buffers())
    if n_computed > _MAX_COMPUTED:
        raise CheckpointError(
            f"config asks for {n_computed:,} values beside the weights, allowed are {_MAX_COMPUTED:,}"
        )
