"""Strong labels: what is heard in a clip, and when.

Any format of `label_files` is read. Where a file names recordings, only events of the clip's recording count.
Written are tables with tabs and the columns `filename`, `onset`, `offset` (seconds in the recording) and
`event_label`; a row without onset says that nothing is heard. Recordings inside a larger file are called as
messages call them, without the folder: `shard-000000.tar[512]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath

from htsat.data.clip import Clip
from htsat.data.label_files import read_label_file
from htsat.errors import DataError
from htsat.files import atomic_path
from htsat.scores import SoundEvent

_COLUMNS = ("filename", "onset", "offset", "event_label")

Events = tuple[SoundEvent, ...]


def file_name(clip: Clip) -> str:
    """The name by which files of strong labels call the recording of a clip."""
    return PurePath(clip.title).name


class EventFiles:
    """Files of strong labels, each read once; events without a probability are certain.

    Raises:
        DataError: naming file and line, from the constructor and for all clips at once.
    """

    def __init__(self, clips: Iterable[Clip]) -> None:
        paths = sorted({clip.events for clip in clips if clip.events is not None})
        self._files = {path: read_label_file(path) for path in paths}

    def of(self, clip: Clip) -> Events:
        """The events in a clip, in seconds from its start and cut at its ends."""
        if clip.events is None:
            return ()
        end_s = float("inf") if clip.duration_s is None else clip.duration_s
        moved = (
            SoundEvent(
                event.label,
                max(0.0, event.onset_s - clip.start_s),
                min(end_s, event.offset_s - clip.start_s),
                event.probability,
            )
            for event in self._files[clip.events].of(clip.title)
        )
        return tuple(event for event in moved if event.onset_s < event.offset_s)

    def told_of(self, clip: Clip) -> Events:
        """The events in the whole recording of a clip as its file tells them, those without length too."""
        return () if clip.events is None else tuple(self._files[clip.events].of(clip.title))


def write_events(path: Path, events: Iterable[tuple[str, Events]]) -> None:
    """Write the events of recordings, given by their names in the file.

    Raises:
        DataError: when a name cannot stand in such a table.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        file.write("\t".join(_COLUMNS) + "\n")
        for name, heard in events:
            rows = [(name, str(event.onset_s), str(event.offset_s), event.label) for event in heard]
            file.writelines(map(_line, rows or [(name, "", "", "")]))


def _line(cells: tuple[str, ...]) -> str:
    for cell in cells:
        if set(cell) & set("\t\r\n"):
            raise DataError(f"{cell!r}: a name with a tab or the end of a line cannot stand in a table")
    return "\t".join(cells) + "\n"
