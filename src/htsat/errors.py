"""Problems that a user can mend. Each message is one line: what was expected and what came."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST_NAME = 200
"""Nobody mistypes more than this, and names are compared in the square of their length."""


class HtsatError(Exception):
    """Base of every error that `htsat` raises on purpose."""


class AudioError(HtsatError):
    """A recording that cannot be read or listened to."""


class CheckpointError(HtsatError):
    """A model file that is not what it must be; nothing was loaded."""


class DataError(HtsatError):
    """A manifest, label or data folder that does not fit."""


class ConfigError(HtsatError):
    """A setting that does not exist or is out of range."""


class MissingExtraError(HtsatError):
    """A feature that needs packages which are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs packages that are not installed: pip install 'htsat[{extra}]'")


class HtsatWarning(UserWarning):
    """Something that goes on in another way than a user may expect."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Ending of a message about an unknown name: the nearest known one, or nothing."""
    if len(name) > _LONGEST_NAME:
        return ""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def last_line(error: Exception) -> str:
    """What another library says of a problem, in one line: the last of its message, cut where it is long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
