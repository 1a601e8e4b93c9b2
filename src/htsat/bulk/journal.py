"""What a run has done already, on disk: a record for each unit, written when all its results are there.

    FOLDER/parts/KEY.parquet       the results of a unit (or, in formats about one recording, FOLDER/NAME.txt)
    FOLDER/.htsat/run.json         the options that make results what they are
    FOLDER/.htsat/units/KEY.json   a unit is done: what became of its recordings
    FOLDER/.htsat/parts/           in place of FOLDER/parts, where parts are only what a file is joined of
    FOLDER/.htsat/staging/         what is being written; after a crash nobody's, and removed in the end

A unit is written apart, then its files get their names, then its record appears. All of it survives a loss of
power: files and folders are synced in this order. Files of recordings may lie elsewhere, as pictures do.
"""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import NamedTuple

from htsat.errors import ConfigError, DataError
from htsat.files import atomic_path, sync_folder, write_text

STATE = ".htsat"
PARTS = "parts"
_RECORD = ".json"


class Failure(NamedTuple):
    """A recording that gave no result, and why."""

    file: str
    reason: str


class Record(NamedTuple):
    """What became of a unit. `heard_s` is None where nobody knows.

    `files` are those of single recordings: below the output, or where an absolute path says.
    """

    n_recordings: int
    failures: Sequence[Failure]
    heard_s: float | None
    took_s: float
    files: Sequence[str] = ()

    @property
    def has_numbers(self) -> bool:
        """Whether numbers are numbers; a record on a disk may be damaged."""
        numbers = (self.n_recordings, self.took_s, self.heard_s or 0.0)
        return all(isinstance(number, int | float) for number in numbers)

    @property
    def has_part(self) -> bool:
        """Whether there are results at all."""
        return len(self.failures) < self.n_recordings

    @property
    def tally(self) -> Tally:
        """The counts alone, which is all that a run keeps in memory."""
        return Tally(self.n_recordings, len(self.failures), self.heard_s, self.took_s)


class Tally(NamedTuple):
    """The counts of a record."""

    n_recordings: int
    n_failed: int
    heard_s: float | None
    took_s: float


class Journal:
    """The state of an output; `suffix` is that of parts, None where each recording has a file of its own.

    `elsewhere` are folders outside the output in which files of recordings may lie. Hidden parts are out of
    sight of commands that read whole folders: these find the file that is joined of them.
    """

    def __init__(
        self, folder: Path, suffix: str | None, elsewhere: Sequence[Path] = (), *, hides_parts: bool = False
    ) -> None:
        self.folder = folder
        self._suffix = suffix
        self._elsewhere = elsewhere
        self._state = folder / STATE
        self._units = self._state / "units"
        self._staging = self._state / "staging"
        self._parts = (self._state if hides_parts else folder) / PARTS
        self._settings = self._state / "run.json"

    @property
    def state(self) -> Path:
        """The folder of the state itself; `begin` makes it."""
        return self._state

    def begin(self) -> None:
        """Make the folders."""
        for folder in (self._units, self._staging):
            folder.mkdir(parents=True, exist_ok=True)
        if self._suffix is not None:
            self._parts.mkdir(exist_ok=True)

    @property
    def has_begun(self) -> bool:
        """Whether there was a run before."""
        return self._settings.exists()

    def hold_to(self, settings: Mapping[str, str]) -> None:
        """Refuse options that would give other results than those which are there.

        Raises:
            ConfigError: naming the first that differs.
        """
        before = _settings_in(self._settings) if self.has_begun and self._keys() else None
        if before is None:
            write_text(self._settings, json.dumps(settings, indent=2) + "\n")
            return
        for name in [*settings, *before]:
            if before.get(name) != settings.get(name):
                raise ConfigError(
                    f"{self.folder}: what is there was made with {_said(name, before)}, this call has "
                    f"{_said(name, settings)}; call it alike, or take another output"
                )

    def _keys(self) -> set[str]:
        """Units that have a record."""
        return {path.stem for path in self._units.glob(f"*{_RECORD}") if not path.name.startswith(".")}

    def done(self) -> dict[str, Tally]:
        """Units that have a readable record, and all results that it tells of."""
        records = ((key, self.record(key)) for key in self._keys())
        return {
            key: record.tally for key, record in records if record is not None and self._is_kept(key, record)
        }

    def _is_kept(self, key: str, record: Record) -> bool:
        has_part = self._suffix is None or not record.has_part or self.part(key).is_file()
        return has_part and all((self.folder / name).is_file() for name in record.files)

    def record(self, key: str) -> Record | None:
        """What became of a unit; None where no record is, or none that can be read, as after a fault."""
        try:
            fields = json.loads((self._units / f"{key}{_RECORD}").read_text(encoding="utf-8"))
            record = Record(**(fields | {"failures": [Failure(*failure) for failure in fields["failures"]]}))
            return record if record.has_numbers and all(map(self._is_ours, record.files)) else None
        except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def _is_ours(self, name: str) -> bool:
        """Whether a name in a record can be that of a result; a record may be anybody's."""
        path = PurePath(name)
        is_in_place = not path.is_absolute() or any(map(path.is_relative_to, self._elsewhere))
        return is_in_place and ".." not in path.parts

    def part(self, key: str) -> Path:
        """Where the results of a unit are."""
        return self._parts / f"{key}{self._suffix}"

    @contextmanager
    def staging(self, key: str) -> Iterator[Path]:
        """A folder of this process for what a unit will give; it does not outlast the block."""
        self._staging.mkdir(exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=self._staging, prefix=f"{key}."))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def finish(self, key: str, staged: Path, record: Record) -> None:
        """Give what was written its names, then take the record down; what an older record told of goes."""
        record_path = self._units / f"{key}{_RECORD}"
        older = self.record(key)
        # An older record must never stand beside newer results, as when a unit is tried again.
        record_path.unlink(missing_ok=True)
        sync_folder(self._units)
        targets = {self.folder / name: staged_file(staged, name) for name in record.files}
        if self._suffix is not None and record.has_part:
            targets[self.part(key)] = staged_part(staged, self._suffix)
        for target, source in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            _move(source, target)
        self._remove_older(key, older, targets)
        for folder in {target.parent for target in targets}:
            sync_folder(folder)
        write_text(record_path, json.dumps(record._asdict()) + "\n")
        sync_folder(self._units)

    def _remove_older(self, key: str, older: Record | None, targets: Collection[Path]) -> None:
        """Remove what a unit gave when it was heard before, and does not give any more."""
        before = set() if older is None else {self.folder / name for name in older.files}
        if self._suffix is not None:
            before.add(self.part(key))
        for path in before.difference(targets):
            path.unlink(missing_ok=True)

    def forget_others(self, keys: Sequence[str], files: Iterator[str]) -> int:
        """Remove units that are no longer meant, with their results; returns how many those were.

        `keys` are those of all units, `files` the files of their recordings: these stay.
        """
        others = self._keys() - set(keys)
        records = [record for record in map(self.record, others) if record is not None]
        if gone := {name for record in records for name in record.files}:
            for name in gone.difference(files):
                (self.folder / name).unlink(missing_ok=True)
        for key in others:
            (self._units / f"{key}{_RECORD}").unlink()
        if self._suffix is not None:
            self._remove_parts(set(keys))
        shutil.rmtree(self._staging, ignore_errors=True)
        for leftover in self._units.glob(".*"):
            leftover.unlink()
        return len(others)

    def _remove_parts(self, keys: set[str]) -> None:
        """Parts whose unit is not meant; they have names that nothing else has."""
        for path in self._parts.iterdir():
            is_part = path.suffix == self._suffix and len(path.stem) == len(next(iter(keys), ""))
            if is_part and path.stem not in keys:
                path.unlink()


def _settings_in(path: Path) -> dict[str, str]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in settings.items()}
    except (ValueError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove the folder around it") from error


def _said(name: str, settings: Mapping[str, str]) -> str:
    return f"{name} {settings.get(name, 'unknown')}"


def _move(source: Path, target: Path) -> None:
    """Give a file that is whole its name, on whatever disk that is."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)


def staged_file(staged: Path, name: str) -> Path:
    """Where a file of a recording is written before it has its name."""
    path = Path(name)
    return staged / "elsewhere" / path.relative_to(path.anchor) if path.is_absolute() else staged / path


def staged_part(staged: Path, suffix: str) -> Path:
    """Where the part of a unit is written before it has its name."""
    return staged / f"{PARTS}{suffix}"
