"""The log of a run: one JSON line per event, and whoever else wants to hear of it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from htsat.errors import DataError

LOG_NAME = "log.jsonl"

Event = Mapping[str, object]
"""What happened, under `event`, and its figures by name."""


class Receiver(Protocol):
    """Something that is told of every event, such as a board with curves."""

    def write(self, event: Event) -> None:
        """Take note of an event."""

    def close(self) -> None:
        """No more events come."""


@dataclass(frozen=True)
class Log:
    """Events, appended to a file and handed to whoever watches."""

    path: Path
    watch: Callable[[dict[str, object]], None]
    receivers: tuple[Receiver, ...] = ()
    is_kept: bool = True
    """Of several processes one keeps the log."""

    def write(self, **event: object) -> None:
        """Append an event and flush it; a figure that does not exist (NaN) is null, as in all JSON."""
        if not self.is_kept:
            return
        event = {name: _or_none(value) for name, value in event.items()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event, allow_nan=False) + "\n")
        for receiver in self.receivers:
            receiver.write(event)
        self.watch(event)

    def close(self) -> None:
        """Tell the receivers that no more events come; the file is complete at any time."""
        for receiver in self.receivers:
            receiver.close()

    def secured_bytes(self) -> int:
        """Size of the log, after all of it has reached the disk."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        return self.path.stat().st_size

    def cut_back(self, n_bytes: int) -> None:
        """Drop what was written after `n_bytes`.

        Raises:
            DataError: when the log is shorter.
        """
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < n_bytes:
            raise DataError(f"{self.path}: had {n_bytes} bytes at the checkpoint, now {size}")
        os.truncate(self.path, n_bytes)


def _or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
