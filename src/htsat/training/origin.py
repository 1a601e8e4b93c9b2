"""What a run was started on: settings, network, recordings, device. A resumed run is held to it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from htsat.checkpoints.problems import some
from htsat.data.manifest import Clip, Manifest
from htsat.errors import ConfigError, DataError
from htsat.training.experiment import Experiment


@dataclass(frozen=True)
class Fingerprint:
    """Tells one data set from another."""

    n_clips: int
    sha256: str

    @classmethod
    def of(cls, parts: Iterable[Manifest], source: Path) -> Self:
        """Of classes, clips and the sizes of the files, wherever the folder lies; the sound is not read."""
        folder = source if source.is_dir() else source.parent
        digest, n_clips, size_of = hashlib.sha256(), 0, cache(_size)
        for manifest in parts:
            digest.update(json.dumps(list(manifest.labels)).encode())
            n_clips += len(manifest.clips)
            for clip in manifest.clips:
                digest.update(json.dumps(_facts(clip, folder, size_of)).encode())
        return cls(n_clips, digest.hexdigest())


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _facts(clip: Clip, folder: Path, size_of: Callable[[Path], int | None]) -> list[object]:
    path = clip.path.relative_to(folder) if clip.path.is_relative_to(folder) else clip.path
    stretch = [repr(clip.place), clip.start_s, clip.duration_s]
    return [path.as_posix(), size_of(clip.path), *stretch, clip.labels, clip.fold, clip.group, clip.weight]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a run was started on, and must be resumed on."""

    settings: dict[str, Any]
    """The experiment, as `dataclasses.asdict` gives it."""
    network_config: dict[str, Any]
    listed: Fingerprint
    n_train_clips: int
    n_valid_clips: int
    device: str


_FREE = ("data", "valid_data", "boards", "n_workers", "machines.")
"""Settings that may change: recordings may move (their list and sizes are compared), machines too."""


def refuse_other_settings(run: Path, origin: Origin, experiment: Experiment) -> None:
    """Hold a resumed run to its settings.

    Raises:
        ConfigError: naming the first few that differ, with both values.
    """
    then, now = dict(_flat(origin.settings)), dict(_flat(dataclasses.asdict(experiment)))
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    names = [name for name in names if not name.startswith(_FREE)]
    if names:
        changes = [f"{name} {then.get(name)}, now {now.get(name)}" for name in names]
        raise ConfigError(f"{run}: a resumed run keeps its settings; it was started with {some(changes)}")


def refuse_other_data(run: Path, origin: Origin, now: Fingerprint, source: object) -> None:
    """Hold a resumed run to its data, before anything is decoded.

    Raises:
        DataError: with the numbers of clips.
    """
    then = origin.listed
    if then != now:
        change = f"{then.n_clips} clips then, {now.n_clips} now"
        if then.n_clips == now.n_clips:
            change = f"files, labels or folds differ among the {now.n_clips} clips"
        raise DataError(f"{source}: not the data that {run} was started on ({change})")


def refuse_other_surroundings(run: Path, then: Origin, now: Origin) -> None:
    """Hold a resumed run to its device and to the clips that could be decoded.

    Raises:
        DataError: when more or fewer can be decoded now.
        ConfigError: when the device is another.
    """
    n_then, n_now = then.n_train_clips + then.n_valid_clips, now.n_train_clips + now.n_valid_clips
    if n_then != n_now:
        raise DataError(f"{run}: was started with {n_then} clips that could be decoded; now {n_now} can")
    if then.device != now.device:
        raise ConfigError(f"{run}: was started on device {then.device!r}, got {now.device!r}")


def _flat(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Settings with their full names."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
