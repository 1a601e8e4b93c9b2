"""What is known of recordings that are reported: heard now, or told by a file of events."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from htsat.bulk.inputs import Input
from htsat.data.label_files import LabelFile
from htsat.errors import DataError, HtsatError
from htsat.formats.reading import format_of, read_recordings
from htsat.recognition.hearing import Hearing
from htsat.scores import SoundEvent

_FORMAT_WITH_LENGTHS = "jsonl"


class Found(NamedTuple):
    """The events of one recording; nobody may know how long it is."""

    duration_s: float | None
    events: Sequence[SoundEvent]


def heard(hearings: Iterable[Hearing | HtsatError]) -> Generator[Found | HtsatError, None, None]:
    """What listening finds."""
    for hearing in hearings:
        yield hearing if isinstance(hearing, HtsatError) else Found(hearing.duration_s, hearing.events)


class EventsFile:
    """A file of events of many recordings, in any format of labels.

    Only JSON Lines tells how long recordings are, and names those in which nothing was heard: a recording
    that it does not name was not heard.

    Raises:
        DataError: naming file and line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        recordings = read_recordings(path)
        self._events = LabelFile({recording.file: recording.events for recording in recordings})
        self._names_all = format_of(path) == _FORMAT_WITH_LENGTHS
        self._durations_s = {entry.file: entry.duration_s for entry in recordings if self._names_all}

    def found(self, inputs: Sequence[Input]) -> Generator[Found | HtsatError, None, None]:
        """What it tells of each recording, or that it does not.

        Raises:
            DataError: at once, when it names none of them, or no recording at all and there are several.
        """
        if self._events.is_of_one and len(inputs) > 1:
            raise DataError(
                f"{self._path}: does not say which recording it is about, and there are {len(inputs)}"
            )
        if not self._events.is_of_one and not any(self._events.matches(item.title) for item in inputs):
            names = ", ".join(self._events.names[:3])
            raise DataError(f"{self._path}: names none of the recordings, but {names or 'nothing'}")
        return self._found(inputs)

    def _found(self, inputs: Sequence[Input]) -> Generator[Found | HtsatError, None, None]:
        for item in inputs:
            if self._names_all and not self._events.matches(item.title):
                yield DataError(f"{item.title}: {self._path} tells nothing of it")
            else:
                yield Found(self._durations_s.get(item.title), self._events.of(item.title))
