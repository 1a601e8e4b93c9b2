"""Strong labels: what is heard in a clip, and when.

A file of them is a UTF-8 table with tabs and the columns `onset`, `offset` (seconds in the recording) and
`event_label`. With a column `filename` too (DCASE), only the rows count whose file name is that of the
recording; a row without onset says that nothing is heard in it. Recordings inside a larger file are called as
messages call them, without the folder: `shard-000000.tar[512]`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path, PurePath

from htsat.data.clip import Clip
from htsat.errors import DataError, did_you_mean
from htsat.files import atomic_path
from htsat.scores import SoundEvent

_COLUMNS = ("filename", "onset", "offset", "event_label")
_ANY = ""

Events = tuple[SoundEvent, ...]


def file_name(clip: Clip) -> str:
    """The name by which files of strong labels call the recording of a clip."""
    return PurePath(clip.title).name


class EventFiles:
    """Files of strong labels, each read once.

    Raises:
        DataError: naming file and line, from the constructor and for all clips at once.
    """

    def __init__(self, clips: Iterable[Clip]) -> None:
        paths = sorted({clip.events for clip in clips if clip.events is not None})
        self._events = {path: _read(path) for path in paths}

    def of(self, clip: Clip) -> Events:
        """The events in a clip, in seconds from its start and cut at its ends; certain ones."""
        if clip.events is None:
            return ()
        of_file = self._events[clip.events]
        events = of_file.get(_ANY, []) + of_file.get(file_name(clip), [])
        end_s = float("inf") if clip.duration_s is None else clip.duration_s
        moved = (
            SoundEvent(
                event.label,
                max(0.0, event.onset_s - clip.start_s),
                min(end_s, event.offset_s - clip.start_s),
                event.probability,
            )
            for event in events
        )
        return tuple(event for event in moved if event.onset_s < event.offset_s)


def write_events(path: Path, events: Iterable[tuple[str, Events]]) -> None:
    """Write the events of recordings, given by their names in the file."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
        writer.writerow(_COLUMNS)
        for name, heard in events:
            rows = [(name, event.onset_s, event.offset_s, event.label) for event in heard]
            writer.writerows(rows or [(name, "", "", "")])


def _read(path: Path) -> dict[str, list[SoundEvent]]:
    events: dict[str, list[SoundEvent]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            _check_columns(path, reader.fieldnames or ())
            for row in reader:
                name = row.get("filename") or _ANY
                event = _event(row, f"{path}, line {reader.line_num}")
                events.setdefault(name, []).extend([] if event is None else [event])
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as strong labels ({error})") from None
    return events


def _check_columns(path: Path, columns: Iterable[str]) -> None:
    found = list(columns)
    for name in _COLUMNS[1:]:
        if name not in found:
            near = did_you_mean(name, found)
            raise DataError(f"{path}: strong labels need a column {name!r}, found {', '.join(found)}{near}")


def _event(row: dict[str, str | None], where: str) -> SoundEvent | None:
    label = (row["event_label"] or "").strip()
    if not label and not row["onset"]:
        return None
    try:
        onset_s, offset_s = float(row["onset"] or "nan"), float(row["offset"] or "nan")
    except ValueError:
        times = f"{row['onset']} and {row['offset']}"
        raise DataError(f"{where}: onset and offset must be seconds, got {times}") from None
    if not label or not 0 <= onset_s <= offset_s < float("inf"):
        got = f"{onset_s:g}, {offset_s:g} and {label!r}"
        raise DataError(f"{where}: expected 0 <= onset <= offset and a label, got {got}")
    return SoundEvent(label, onset_s, offset_s, 1.0)
