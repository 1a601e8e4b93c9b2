"""Files of strong labels in the formats that people have, told apart by what is in them.

`htsat.formats.reading` has the formats. An empty file says that nothing is heard.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os.path import commonpath
from pathlib import Path

from htsat.formats.label_text import THIS_RECORDING
from htsat.formats.reading import UnknownFormatError, read_recordings
from htsat.scores import SoundEvent

__all__ = ["SUFFIXES", "LabelFile", "UnknownFormatError", "read_label_file"]

SUFFIXES = frozenset((".txt", ".csv", ".tsv", ".textgrid", ".vtt", ".jsonl", ".eaf", ".jams"))
"""Of the files that are looked at for labels, in lower case. Parquet is not: mostly it holds other things."""

_DRIVE = re.compile(r"^(?=[A-Za-z]:/)")

EventsByFile = Mapping[str, Sequence[SoundEvent]]


class LabelFile:
    """The events of one or many recordings, as one file tells them.

    Recordings are found by their names: with or without suffix, and with as many folders as the file names.
    Absolute names count from the folder that all of them lie in, because data sets are moved.
    """

    def __init__(self, events: EventsByFile) -> None:
        self._own = events.get(THIS_RECORDING)
        self._events: dict[str, list[SoundEvent]] = {}
        for name, key in _keys([name for name in events if name != THIS_RECORDING]).items():
            self._events.setdefault(key, []).extend(events[name])
        self._depths = {key.count("/") + 1 for key in self._events}

    @property
    def names(self) -> tuple[str, ...]:
        """The recordings that the file names, as `matches` finds them."""
        return tuple(self._events)

    @property
    def is_of_one(self) -> bool:
        """Whether the file names no recording: it is about the one that it belongs to."""
        return self._own is not None

    def matches(self, recording: str) -> list[str]:
        """The names in the file that mean a recording, given by its path."""
        return [name for name in _names_of(recording, self._depths) if name in self._events]

    def of(self, recording: str) -> list[SoundEvent]:
        """The events of a recording, given by its path, as they stand in the file."""
        named = [event for name in self.matches(recording) for event in self._events[name]]
        return [*(self._own or ()), *named]


def read_label_file(path: Path) -> LabelFile:
    """Read strong labels of any format that is known.

    Raises:
        UnknownFormatError: when it is none of them, or cannot be read as text.
        DataError: naming file and line of what does not fit.
    """
    return LabelFile({recording.file: recording.events for recording in read_recordings(path)})


def _keys(names: Iterable[str]) -> dict[str, str]:
    """How names in a file are looked up."""
    plain = {name: _plain(name) for name in names}
    folders = {key.rpartition("/")[0] or "/" for key in plain.values() if key.startswith("/")}
    common = commonpath(folders) if folders else ""
    return {
        name: key.removeprefix(common).lstrip("/") if key.startswith("/") else _below(key)
        for name, key in plain.items()
    }


def _plain(name: str) -> str:
    """A name with separators and composed characters as on Linux; absolute ones begin with `/`."""
    return _DRIVE.sub("/", unicodedata.normalize("NFC", name).replace("\\", "/"))


def _below(name: str) -> str:
    """A relative name without the steps up and on the spot before it."""
    parts = name.split("/")
    n_behind = parts[::-1].index("..") if ".." in parts else len(parts)
    return "/".join(part for part in parts[len(parts) - n_behind :] if part != ".")


def _names_of(recording: str, depths: Iterable[int]) -> Iterator[str]:
    """The last parts of a path, so many, with and without the suffix of the file."""
    parts = _plain(str(Path(recording).absolute())).split("/")
    stem, dot, _ = parts[-1].rpartition(".")
    for depth in depths:
        if depth <= len(parts):
            folders = parts[len(parts) - depth : -1]
            yield "/".join([*folders, parts[-1]])
            if stem and dot:
                yield "/".join([*folders, stem])
