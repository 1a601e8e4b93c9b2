"""htsat: hear what is in a recording and when.

The public names come lazily, so that importing the package costs nothing: torch is imported by `load`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from htsat.errors import HtsatError
    from htsat.labels import LabelSet
    from htsat.loading import LoadedModel, load
    from htsat.recognition.events import find_events
    from htsat.recognition.recognizer import Recognizer
    from htsat.rules import BoxRules, EventRules
    from htsat.scores import ClipScores, FrameGrid, FrameScores, SoundEvent, Tag

__version__ = "0.1.0"

_HOMES = {
    "BoxRules": "htsat.rules",
    "ClipScores": "htsat.scores",
    "EventRules": "htsat.rules",
    "FrameGrid": "htsat.scores",
    "FrameScores": "htsat.scores",
    "HtsatError": "htsat.errors",
    "LabelSet": "htsat.labels",
    "LoadedModel": "htsat.loading",
    "Recognizer": "htsat.recognition.recognizer",
    "SoundEvent": "htsat.scores",
    "Tag": "htsat.scores",
    "find_events": "htsat.recognition.events",
    "load": "htsat.loading",
}

__all__ = [
    "BoxRules",
    "ClipScores",
    "EventRules",
    "FrameGrid",
    "FrameScores",
    "HtsatError",
    "LabelSet",
    "LoadedModel",
    "Recognizer",
    "SoundEvent",
    "Tag",
    "__version__",
    "find_events",
    "load",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
