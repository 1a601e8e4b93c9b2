"""Files of sound events in any format that is known, told apart by what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from htsat.errors import DataError
from htsat.formats import audacity, csv, dcase, elan, jams, jsonl, parquet, raven, textgrid, webvtt
from htsat.formats.bounded import some_names
from htsat.formats.event_columns import has_columns, header_of
from htsat.formats.label_text import THIS_RECORDING, require_text, table_text
from htsat.formats.recording import DetectedRecording, last_offset_s
from htsat.scores import SoundEvent

_N_SHOWN = 60
"""Characters of an unknown file that its message shows."""

Reader = Callable[[Path], list[DetectedRecording]]


class UnknownFormatError(DataError):
    """A file that holds no strong labels, or none in a format that is known."""


def _of_one(read: Callable[[Path], list[SoundEvent]]) -> Reader:
    return lambda path: _recordings({THIS_RECORDING: read(path)})


def _of_many(read: Callable[[Path], Mapping[str, Sequence[SoundEvent]]]) -> Reader:
    return lambda path: _recordings(read(path))


def _recordings(events: Mapping[str, Sequence[SoundEvent]]) -> list[DetectedRecording]:
    """Recordings of which nobody says how long they are: to the end of their last event."""
    return [DetectedRecording(file, last_offset_s(own), list(own)) for file, own in events.items()]


READERS: dict[str, Reader] = {
    "csv": _of_many(csv.read_events),
    "jsonl": jsonl.read_events,
    "parquet": _of_many(parquet.read_events),
    "audacity": _of_one(audacity.read_events),
    "raven": _of_many(raven.read_events),
    "tsv": _of_many(dcase.read_events),
    "textgrid": lambda path: [textgrid.read_recording(path)],
    "webvtt": _of_one(webvtt.read_events),
    "elan": _of_one(elan.read_events),
    "jams": lambda path: [jams.read_recording(path)],
}
"""What reads each format; recordings that a file does not name are `THIS_RECORDING`."""


def read_recordings(path: Path, name: str | None = None) -> list[DetectedRecording]:
    """The recordings that a file tells of, each once; in the format of this name, or as its content shows.

    An empty file says that nothing is heard.

    Raises:
        UnknownFormatError: when it is none of the formats, or cannot be read as text.
        DataError: naming file and line of what does not fit.
        MissingExtraError: for Parquet without pyarrow.
    """
    known = name or format_of(path)
    return _recordings({THIS_RECORDING: []}) if known is None else _joined(READERS[known](path))


def format_of(path: Path) -> str | None:
    """The name of the format that the content of a file shows; None of an empty one.

    Raises:
        UnknownFormatError: when it is none of them, or cannot be read as text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        if parquet.is_parquet(head) or elan.is_elan(head):
            return "parquet" if parquet.is_parquet(head) else "elan"
        text = table_text(path)
        if not has_columns(header_of(text)):  # tables may name files whose names are no text
            require_text(path, text)
    except (OSError, DataError) as error:
        problem = f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise UnknownFormatError(problem) from None
    return _format_of_text(path, text) if text.strip() else None


def _format_of_text(path: Path, text: str) -> str:
    signs = {
        "webvtt": webvtt.is_webvtt,
        "textgrid": textgrid.is_textgrid,
        "audacity": audacity.is_audacity,
        "jsonl": jsonl.is_jsonl,
        "jams": jams.is_jams,
    }
    for name, shows in signs.items():
        if shows(text):
            return name
    columns = header_of(text)
    if has_columns(columns):
        return "raven" if raven.is_raven(columns) else "csv"
    first = text.partition("\n")[0][:_N_SHOWN]
    found = f"found the columns {some_names(columns)}" if len(columns) > 1 else f"it begins with {first!r}"
    raise UnknownFormatError(
        f"{path}: is no file of strong labels: expected Audacity labels, a TextGrid, WebVTT, ELAN, JAMS, "
        f"JSON Lines, or a table with columns such as onset, offset and label; {found}"
    )


def _joined(recordings: Sequence[DetectedRecording]) -> list[DetectedRecording]:
    """Several entries of one recording as one."""
    joined: dict[str, DetectedRecording] = {}
    for recording in recordings:
        known = joined.setdefault(recording.file, recording._replace(events=[], duration_s=0.0))
        known.events.extend(recording.events)
        longest_s = max(known.duration_s, recording.duration_s)
        joined[recording.file] = known._replace(duration_s=longest_s)
    return list(joined.values())
