"""Where the results of a run end up: a folder of parts, or one file that is made of parts beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from htsat.bulk.journal import STATE, Failure, Journal
from htsat.bulk.layouts import Accompanied, Joinable
from htsat.bulk.listing import Listing
from htsat.bulk.lock import working_on
from htsat.bulk.report import Summary, write_failures
from htsat.bulk.run import Layout
from htsat.bulk.sharding import ALL
from htsat.errors import ConfigError
from htsat.files import write_text

_PARTS_SUFFIX = ".parts"


class Target:
    """The output of a run. Parts of a file lie in `FILE.parts`, and stay there.

    Raises:
        ConfigError: when results cannot go there.
    """

    def __init__(self, output: str, layout: Layout[Any], *, is_folder: bool) -> None:
        self._file = None if is_folder else Path(output)
        self._layout = layout
        self.folder = _folder(output, is_folder)
        self.failures, self._summary = self._beside("failures.csv"), self._beside("summary.json")
        if self._file is None:
            self._require_own()
            return
        if not isinstance(layout, Joinable):
            raise ConfigError(
                "this format describes one recording; results of several need a folder: -o FOLDER/"
            )
        if self._file.exists() and not self._file.is_file():
            raise ConfigError(f"{output} is not a file that can be replaced")

    def journal(self) -> Journal:
        """The state of the run; nothing is written yet."""
        elsewhere = self._layout.folders if isinstance(self._layout, Accompanied) else ()
        return Journal(self.folder, self._layout.suffix, elsewhere, hides_parts=self._file is not None)

    def _require_own(self) -> None:
        """Refuse a folder in which files of others would be replaced."""
        for path in (self.failures, self._summary):
            if path.exists() and not self.journal().has_begun:
                raise ConfigError(
                    f"{path} is not of a run in parts, which would replace it; take another folder"
                )

    def _beside(self, name: str) -> Path:
        """Where a file about the output lies: in the folder, or as `FILE.name`."""
        return self.folder / name if self._file is None else Path(f"{self._file}.{name}")

    def holds_more(self, listing: Listing, journal: Journal) -> bool:
        """Whether the file has recordings that cannot be listed now: what is there should stay."""
        if self._file is None or not listing.problems or not self._file.exists():
            return False
        return not journal.done().keys() <= {unit.key for unit in listing.units}

    def conclude(self, listing: Listing, journal: Journal) -> Summary:
        """Bring the output into its last shape, when all units are done.

        What no argument stands for any more is removed, unless an argument could not be listed: its
        recordings may be away for a moment only. Parts of a file stay, so that they are never heard again.
        """
        keys = [unit.key for unit in listing.units]
        if not listing.problems:
            journal.forget_others(keys, listing.files(self._layout.files_of))
        tallies = journal.done()
        summary = Summary.of(tallies[key] for key in keys)
        document: dict[str, object] = summary.document()
        if self._file is not None and summary.n_failed < summary.n_recordings:
            document |= self._join(self._file, [journal.part(key) for key in keys])
        write_failures(self.failures, _failures(keys, journal))
        write_text(self._summary, json.dumps(document, indent=2) + "\n")
        return summary

    def _join(self, file: Path, parts: Iterable[Path]) -> dict[str, object]:
        """Make the file of those parts that there are, if it is not; returns what tells so next time."""
        assert isinstance(self._layout, Joinable)  # said by __init__
        there = [part for part in parts if part.exists()]
        made_of = _digest(there)
        if not self._is_joined(file, made_of):
            self._layout.merge(there, file)
        return {"made_of": made_of, "file": _state(file)}

    def _is_joined(self, file: Path, made_of: str) -> bool:
        """Whether the file was made of these parts, and nobody changed it."""
        assert isinstance(self._layout, Joinable)  # said by __init__
        try:
            about = json.loads(self._summary.read_text(encoding="utf-8"))
            is_same = about["made_of"] == made_of and about["file"] == _state(file)
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return is_same and all(path.is_file() for path in self._layout.written(file))


def require_idle(output: str, *, is_folder: bool) -> None:
    """Refuse an output that a run in parts holds at the moment.

    Raises:
        BusyError: naming who holds it.
    """
    state = _folder(output, is_folder) / STATE
    if state.is_dir():
        with working_on(state, output, ALL):
            pass


def _folder(output: str, is_folder: bool) -> Path:
    return Path(output) if is_folder else Path(output + _PARTS_SUFFIX)


def _digest(parts: Iterable[Path]) -> str:
    """What stands for parts in their order, as they are now."""
    told = json.dumps([[part.name, *_state(part)] for part in parts])
    return blake2b(told.encode(), digest_size=16).hexdigest()


def _state(file: Path) -> list[int]:
    """What tells whether a file was changed."""
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]


def _failures(keys: Iterable[str], journal: Journal) -> Iterator[Failure]:
    for key in keys:
        record = journal.record(key)
        yield from () if record is None else record.failures
