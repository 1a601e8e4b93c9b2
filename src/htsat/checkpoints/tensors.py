"""Tensors of a file, and whether they are exactly the weights of a network: never a part of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from htsat.checkpoints.memory import check_size
from htsat.checkpoints.problems import check_names, plural, some
from htsat.errors import CheckpointError
from htsat.files import text_path
from htsat.network import HTSAT, ModelConfig

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
    check_size(config, tensors)
    network = HTSAT(config)
    check_like(network.state_dict(), tensors)
    check_values(tensors)
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
