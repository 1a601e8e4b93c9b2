"""Where the results of a run end up: a folder of parts, or one file that is made of them in the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from htsat.bulk.journal import Failure, Journal
from htsat.bulk.layouts import Accompanied, Joinable
from htsat.bulk.listing import Listing
from htsat.bulk.report import Summary, write_failures
from htsat.bulk.run import Layout
from htsat.errors import ConfigError
from htsat.files import write_text

_PARTS_SUFFIX = ".parts"


class Target:
    """The output of a run. Parts of a file lie in `FILE.parts` until it is whole.

    Raises:
        ConfigError: when results cannot go there.
    """

    def __init__(self, output: str, layout: Layout[Any], *, is_folder: bool) -> None:
        self._file = None if is_folder else Path(output)
        self._layout = layout
        self.folder = Path(output) if is_folder else Path(output + _PARTS_SUFFIX)
        if self._file is None:
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
        return Journal(self.folder, self._layout.suffix, elsewhere)

    def beside(self, name: str) -> Path:
        """Where a file about the output lies: in the folder, or as `FILE.name`."""
        return self.folder / name if self._file is None else Path(f"{self._file}.{name}")

    def is_whole(self, listing: Listing) -> bool:
        """Whether the file was made of just these recordings with these options, and nobody changed it."""
        if self._file is None:
            return False
        files = chain(self._ends(), map(self.folder.joinpath, listing.files(self._layout.files_of)))
        if not all(file.is_file() for file in files):
            return False
        try:
            about = json.loads(self.beside("summary.json").read_text(encoding="utf-8"))
            return bool(about["made_of"] == listing.digest and about["file"] == _state(self._file))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def conclude(self, listing: Listing, journal: Journal) -> Summary:
        """Bring the output into its last shape, when all units are done.

        What no argument stands for any more is removed, unless an argument could not be listed: its
        recordings may be away for a moment only. Parts of a file stay where recordings failed, so that these
        can be tried again.
        """
        keys = [unit.key for unit in listing.units]
        if not listing.problems:
            journal.forget_others(keys, listing.files(self._layout.files_of))
        tallies = journal.done()
        summary = Summary.of(tallies[key] for key in keys)
        document: dict[str, object] = summary.document()
        if self._file is not None and summary.n_failed < summary.n_recordings:
            self._join(self._file, (journal.part(key) for key in keys if journal.part(key).exists()))
            document |= {"made_of": listing.digest, "file": _state(self._file)}
        write_failures(self.beside("failures.csv"), _failures(keys, journal))
        write_text(self.beside("summary.json"), json.dumps(document, indent=2) + "\n")
        if self._file is not None and not summary.n_failed and not listing.problems:
            self.forget_parts()
        return summary

    def forget_parts(self) -> None:
        """Remove the parts of a file that is whole."""
        if self._file is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _ends(self) -> Sequence[Path]:
        """The file of results, and those that tell of it."""
        if self._file is None:
            return ()
        assert isinstance(self._layout, Joinable)  # said by __init__
        return self._layout.written(self._file)

    def _join(self, file: Path, parts: Iterable[Path]) -> None:
        assert isinstance(self._layout, Joinable)  # said by __init__
        self._layout.merge(parts, file)


def _state(file: Path) -> list[int]:
    """What tells whether a file was changed."""
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]


def _failures(keys: Iterable[str], journal: Journal) -> Iterator[Failure]:
    for key in keys:
        record = journal.record(key)
        yield from () if record is None else record.failures
