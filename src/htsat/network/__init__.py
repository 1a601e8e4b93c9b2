"""The network of the paper, as one importable module that knows neither loss, data set nor device policy.

The names come lazily: the sizes of a network can be told without torch, the network itself needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from htsat.errors import MissingExtraError

if TYPE_CHECKING:
    from htsat.network.config import ModelConfig
    from htsat.network.model import HTSAT, HTSATOutput

_HOMES = {"HTSAT": "model", "HTSATOutput": "model", "ModelConfig": "config"}

__all__ = ["HTSAT", "HTSATOutput", "ModelConfig"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("the network", "torch") from None
