"""What all numbers among the settings of a run have in common, whatever each of them means."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from htsat.errors import ConfigError

_LARGEST = 2**31 - 1
"""Lengths in clips, rates, shares and weights of a loss are far below."""
_LARGEST_OF = {
    "n_workers": 1024,
    "keep_top": 1_000_000,
    "machines.n_devices": 1024,
    "machines.n_nodes": 65_536,
    "optimisation.batch_size": 65_536,
    "augmentation.speed": 100,
    "augmentation.filter_db": 120,
    "augmentation.gain_db": 120,
    "network.clip_s": 3600,
    "network.depths": 1000,
    "network.dim": 1024,
    "network.fine_width": 4096,
    "network.n_fft": 65_536,
    "network.n_mels": 4096,
    "spec_augment.n_time_stripes": 1000,
    "spec_augment.n_mel_stripes": 1000,
}
_SMALLEST_OF = {"machines.memory_gb": 0, "n_workers": 0}
_LARGEST_SEED = 2**32 - 1
"""NumPy's older generators take no more."""
_NAMES = ("valid_fold", "test_fold", "train_folds")
"""Numbers that are names of folds."""


def check_seed(name: str, seed: int) -> None:
    """Refuse what no generator begins with.

    Raises:
        ConfigError: naming the setting.
    """
    if not 0 <= seed <= _LARGEST_SEED:
        raise ConfigError(f"{name} must lie between 0 and {_LARGEST_SEED}, got {seed}")


def check_numbers(settings: Any) -> None:
    """Refuse numbers that are infinite or NaN, and those that are larger or smaller than makes any sense.

    Raises:
        ConfigError: naming the setting.
    """
    for name, value in _numbers(settings):
        if name == "seed":
            check_seed(name, int(value))
        elif not math.isfinite(value):
            raise ConfigError(f"{name} must be a finite number, got {value}")
        elif abs(value) > _LARGEST_OF.get(name, _LARGEST):
            raise ConfigError(f"{name} must be at most {_LARGEST_OF.get(name, _LARGEST)}, got {value}")
        elif value < _SMALLEST_OF.get(name, -math.inf):
            raise ConfigError(f"{name} must be at least {_SMALLEST_OF[name]}, got {value}")


def _numbers(settings: Any, group: str = "") -> Iterator[tuple[str, float]]:
    """Each number with the name of its setting, as people write it."""
    for key, value in settings.items() if isinstance(settings, dict) else _fields(settings):
        name = f"{group}{key}"
        if is_dataclass(value) or isinstance(value, dict):
            yield from _numbers(value, f"{name}.")
        elif name not in _NAMES:
            yield from ((name, number) for number in _flat(value))


def _fields(settings: Any) -> Iterator[tuple[str, Any]]:
    return ((field.name, getattr(settings, field.name)) for field in fields(settings))


def _flat(value: Any) -> Iterator[float]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _flat(part)
