"""A worker of `test_nodes.py`: `htsat` with words, in a process that notes what it hears and may be lost.

`python node_work.py NOTES WORDS...`. Each life of a process writes the clips that it draws for training to a
file of its own in the folder NOTES. Where that holds a file `kill-RANK` with a number, the first life of this
process ends by SIGKILL at the draw of this number; by `lose-RANK` its torchrun does too, as when a machine is
lost.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TextIO

from htsat.cli.main import main
from htsat.data.dataset import Draw, TrainingClips


def note_draws(notes: Path) -> None:
    """Write down each draw at once, so that a kill loses none."""
    rank = os.environ.get("RANK", "0")
    life, file = _first_free(notes, rank)
    ends = {name: _number(notes / f"{name}-{rank}") if life == 0 else None for name in ("kill", "lose")}
    original, numbers = TrainingClips.__getitem__, count()

    def noted(clips: TrainingClips, draw: Draw) -> object:
        number = next(numbers)
        if number == ends["lose"]:
            os.kill(os.getppid(), signal.SIGKILL)
        if number in ends.values():
            os.kill(os.getpid(), signal.SIGKILL)
        print(draw.epoch, draw.index, draw.take, file=file, flush=True)
        return original(clips, draw)

    TrainingClips.__getitem__ = noted  # type: ignore[method-assign]


def _number(path: Path) -> int | None:
    return int(path.read_text(encoding="utf-8")) if path.exists() else None


def _first_free(notes: Path, rank: str) -> tuple[int, TextIO]:
    for life in count():
        path = notes / f"heard-{rank}-{life}"
        if not path.exists():
            return life, path.open("w", encoding="utf-8")
    raise AssertionError


if __name__ == "__main__":
    note_draws(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
