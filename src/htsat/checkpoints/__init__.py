"""Model files: our own format, conversion of foreign checkpoints, names of models and where they lie.

The names come lazily: finding a model file must not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from htsat.checkpoints.card import ModelCard
    from htsat.checkpoints.file import Model, load_model, read_card, save_model

_HOMES = {
    "Model": "file",
    "ModelCard": "card",
    "load_model": "file",
    "read_card": "file",
    "save_model": "file",
}

__all__ = ["Model", "ModelCard", "load_model", "read_card", "save_model"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
