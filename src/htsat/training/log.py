"""The log of a run: one JSON line per event."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from htsat.errors import DataError

LOG_NAME = "log.jsonl"


@dataclass(frozen=True)
class Log:
    """Events, appended to a file and handed to whoever watches."""

    path: Path
    watch: Callable[[dict[str, object]], None]

    def write(self, **event: object) -> None:
        """Append an event and flush it."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        self.watch(event)

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
