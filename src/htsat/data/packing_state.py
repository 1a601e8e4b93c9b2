"""What a folder of shards was begun with, how far it came, and what came of it.

`packing.json` holds the settings, and the result once all is done. Until then every shard that is complete
has a note in `.packing/`, so that the same packing goes on behind the last of them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from htsat.data.manifest import INDEX_NAME
from htsat.errors import DataError
from htsat.files import atomic_path

BROKEN_NAME = "broken.tsv"
_STATE_NAME = "packing.json"
_NOTES_NAME = ".packing"


class PackedClip(NamedTuple):
    """Where a clip, named by its place in the manifest, lies in its shard."""

    number: int
    offset: int
    size: int
    n_samples: int


class BrokenClip(NamedTuple):
    """A clip that could not be read, named by its place in the manifest."""

    number: int
    reason: str


class ShardNote(NamedTuple):
    """What became of the clips of a shard; the next one begins with the clip `stop`."""

    stop: int
    packed: tuple[PackedClip, ...]
    broken: tuple[BrokenClip, ...]


class Packed(NamedTuple):
    """What packing left."""

    n_clips: int
    n_shards: int
    broken: tuple[BrokenClip, ...]


class PackingState:
    """The state of a folder.

    Raises:
        DataError: when the folder holds something else, or was begun with other settings.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.folder = folder
        self._path = folder / _STATE_NAME
        self._settings = settings
        if self._path.is_file():
            self._check()
        elif folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise DataError(f"{folder}: is not empty, and no packing was begun in it")
        else:
            self._write(None)
        self._remove_unfinished()

    def shard_path(self, number: int) -> Path:
        """Where a shard lies."""
        return self.folder / f"shard-{number:06}.tar"

    def result(self) -> Packed | None:
        """What the packing left, None while it is not complete."""
        result = self._read()["result"]
        if result is None:
            return None
        shutil.rmtree(self.folder / _NOTES_NAME, ignore_errors=True)
        n_clips, n_shards, broken = result
        return Packed(n_clips, n_shards, tuple(BrokenClip(*one) for one in broken))

    def notes(self) -> Iterator[ShardNote]:
        """The notes of the shards that are complete, from the first on."""
        for number in count():
            path = self._note_path(number)
            if not path.is_file() or not self.shard_path(number).is_file():
                return
            stop, packed, broken = json.loads(path.read_text(encoding="utf-8"))
            packed, broken = (PackedClip(*one) for one in packed), (BrokenClip(*one) for one in broken)
            yield ShardNote(stop, tuple(packed), tuple(broken))

    def add_note(self, number: int, note: ShardNote) -> None:
        """Declare a shard complete."""
        with atomic_path(self._note_path(number)) as temporary:
            temporary.write_text(json.dumps(note), encoding="utf-8")

    def finish(self, notes: Sequence[ShardNote]) -> Packed:
        """Declare the packing complete."""
        n_clips = sum(len(note.packed) for note in notes)
        packed = Packed(n_clips, len(notes), tuple(broken for note in notes for broken in note.broken))
        self._write(packed)
        shutil.rmtree(self.folder / _NOTES_NAME, ignore_errors=True)  # the next call would remove them
        return packed

    def _note_path(self, number: int) -> Path:
        return self.folder / _NOTES_NAME / f"{number:06}.json"

    def _remove_unfinished(self) -> None:
        """Delete what a killed process left behind."""
        for name in ("shard-*", INDEX_NAME, "labels.txt", BROKEN_NAME, _STATE_NAME):
            for unfinished in self.folder.glob(f".{name}.*"):
                unfinished.unlink()

    def _check(self) -> None:
        there = self._read()["settings"]
        for name, value in self._settings.items():
            if there[name] != value:
                raise DataError(
                    f"{self.folder}: was begun with {name} {there[name]}, not {value}; take another folder"
                )

    def _read(self) -> Any:
        try:
            state = json.loads(self._path.read_text(encoding="utf-8"))
        except ValueError:
            state = None
        if not isinstance(state, dict) or not self._settings.keys() <= state.get("settings", {}).keys():
            raise DataError(f"{self._path}: cannot be read as the state of a packing")
        return state

    def _write(self, result: Packed | None) -> None:
        text = json.dumps({"settings": self._settings, "result": result}, indent=1)
        with atomic_path(self._path) as temporary:
            temporary.write_text(f"{text}\n", encoding="utf-8")
