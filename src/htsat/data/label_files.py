"""Files of strong labels in the formats that people have, told apart by what is in them.

Read are label tracks of Audacity, selection tables of Raven, tables with commas, semicolons or tabs (DCASE's
too), TextGrids of Praat, WebVTT, and JSON Lines as `htsat detect` writes them. An empty file says that
nothing is heard.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os.path import commonpath
from pathlib import Path

from htsat.errors import DataError
from htsat.formats import audacity, csv, jsonl, raven, textgrid, webvtt
from htsat.formats.event_columns import has_columns, header_of
from htsat.formats.label_text import THIS_RECORDING, label_text
from htsat.scores import SoundEvent

SUFFIXES = frozenset((".txt", ".csv", ".tsv", ".textgrid", ".vtt", ".jsonl"))
"""Of the files that are looked at for labels, in lower case."""

_N_SHOWN = 60
"""Characters of an unknown file that its message shows."""

_DRIVE = re.compile(r"^(?=[A-Za-z]:/)")

EventsByFile = Mapping[str, Sequence[SoundEvent]]


class UnknownFormatError(DataError):
    """A file that holds no strong labels, or none in a format that is known."""


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
    return LabelFile(_read(path))


def _read(path: Path) -> EventsByFile:
    try:
        text = label_text(path)
    except DataError as error:
        raise UnknownFormatError(str(error)) from None
    if not text.strip():
        return {THIS_RECORDING: []}
    if webvtt.is_webvtt(text):
        return {THIS_RECORDING: webvtt.read_events(path)}
    if textgrid.is_textgrid(text):
        return {THIS_RECORDING: textgrid.read_events(path)}
    if audacity.is_audacity(text):
        return {THIS_RECORDING: audacity.read_events(path)}
    if jsonl.is_jsonl(text):
        return {recording.file: recording.events for recording in jsonl.read_events(path)}
    return _read_table(path, text)


def _read_table(path: Path, text: str) -> EventsByFile:
    columns = header_of(text)
    if has_columns(columns):
        return raven.read_events(path) if raven.is_raven(columns) else csv.read_events(path)
    first = text.partition("\n")[0][:_N_SHOWN]
    found = f"found the columns {', '.join(columns)}" if len(columns) > 1 else f"it begins with {first!r}"
    raise UnknownFormatError(
        f"{path}: is no file of strong labels: expected Audacity labels, a TextGrid, WebVTT, JSON Lines, "
        f"or a table with columns such as onset, offset and label; {found}"
    )


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
    return "/".join(part for index, part in enumerate(parts) if part != "." and ".." not in parts[index:])


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
