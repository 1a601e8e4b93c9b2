"""Foreign checkpoints as plain tensors. Nothing in a file is ever executed."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import scalar
from torch import Tensor

from htsat.checkpoints.problems import some
from htsat.checkpoints.tensors import check_plain, read_metadata, read_tensors
from htsat.errors import CheckpointError, last_line

# Numbers that training scripts log beside their weights; as data they are as harmless as tensors.
_NUMPY_NUMBERS: list[Any] = [
    (scalar, "numpy.core.multiarray.scalar"),
    (scalar, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(code)) for code in ("f8", "f4", "i8", "i4", "?")),
]
_WEIGHTS_IN_FOLDER = ("model.safetensors", "pytorch_model.bin")


def weights_file(path: Path) -> Path:
    """The file itself, or the weights in a folder as Hugging Face lays them out.

    Raises:
        CheckpointError: when there is none.
    """
    if not path.is_dir():
        return path
    for name in _WEIGHTS_IN_FOLDER:
        if (path / name).is_file():
            return path / name
    raise CheckpointError(f"expected a file, or a folder with {' or '.join(_WEIGHTS_IN_FOLDER)}")


def read_foreign(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file, or of a pickle that torch saved.

    Of a training checkpoint it is the part `state_dict` (Lightning, LAION-CLAP) or `model` (Swin).

    Raises:
        CheckpointError: when the file holds code, is damaged, or holds no tensors.
    """
    if path.suffix == ".safetensors":
        if "htsat" in read_metadata(path):
            raise CheckpointError("is an htsat model already")
        return read_tensors(path)
    refuse_compression(path)
    tensors = _state_dict(_unpickled(path))
    _refuse_views(tensors, path.stat().st_size)
    return tensors


def refuse_compression(path: Path) -> None:
    """Torch never compresses; who does could hide any amount of memory in a small file.

    Raises:
        CheckpointError: when the file is a compressed archive, or a damaged one.
    """
    try:
        if not path.is_file() or not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # a damaged archive can make the reader raise anything
        raise CheckpointError(f"not a checkpoint that torch can read ({last_line(error)})") from None
    is_plain = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    if not is_plain or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CheckpointError("refused: it is compressed, as no file of torch is")


def _refuse_views(tensors: Mapping[str, Tensor], n_bytes: int) -> None:
    """A few bytes can be shown as a tensor of any size; tied weights, once or twice, are usual."""
    n_needed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if n_needed > 4 * n_bytes:
        raise CheckpointError(f"refused: its tensors have {n_needed:,} bytes, but the file only {n_bytes:,}")


def _unpickled(path: Path) -> object:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_NUMPY_NUMBERS):
            warnings.simplefilter("ignore")  # notes on old formats, which are what is expected here
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_reason(str(error))) from None
    except FileNotFoundError:
        raise CheckpointError("no such file") from None
    except Exception as error:  # a damaged pickle can make the reader raise anything
        detail = str(error).strip().partition("\n")[0]
        reason = f"{type(error).__name__}: {detail:.80}"
        raise CheckpointError(f"not a checkpoint that torch can read ({reason})") from None


def _reason(message: str) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", message)
    if found is None:
        return "refused: it is no pickle of tensors"
    return f"refused: it carries code or objects ({found[1]}); expected tensors only. Nothing was executed"


def _state_dict(content: object) -> dict[str, Tensor]:
    for part in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(part), Mapping):
            content = content[part]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"expected a dictionary of tensors, got {type(content).__name__}")
    named = {key: value for key, value in content.items() if isinstance(key, str)}
    tensors = {key: value.detach() for key, value in named.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(
            f"holds no tensors (keys: {some([f'{key:.60}' for key in named], 6) or 'none'})"
        )
    check_plain(tensors)
    return tensors
