"""All recordings that a run is about, in units."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from htsat.bulk.inputs import STANDARD_INPUT, Input, iterate_inputs
from htsat.bulk.remote import is_remote
from htsat.bulk.seen import Seen
from htsat.bulk.units import Cutting, Unit, cut_units
from htsat.errors import ConfigError, DataError, HtsatError

FilesOf = Callable[[Input], Sequence[PurePath]]
"""The files of results that a recording has for itself, if any."""


@dataclass(frozen=True)
class Listing:
    """Units in the order of the arguments, and what is wrong with arguments that could not be listed."""

    units: Sequence[Unit]
    problems: Sequence[HtsatError]

    @classmethod
    def of(cls, arguments: Iterable[str], settings: str, files_of: FilesOf, cutting: Cutting) -> Listing:
        """List all recordings. `settings` stands for the options that change results.

        Raises:
            ConfigError: when two recordings would get the same file, or one is standard input.
        """
        problems: list[HtsatError] = []
        inputs = _without_clashes(_listed(arguments, problems), files_of)
        return cls(list(cut_units(inputs, settings, cutting)), problems)

    @property
    def n_recordings(self) -> int:
        """How many recordings there are."""
        return sum(unit.n_recordings for unit in self.units)

    def files(self, files_of: FilesOf) -> Iterator[str]:
        """The files that recordings have for themselves."""
        for unit in self.units:
            for item in unit.inputs:
                yield from map(str, files_of(item))


def _listed(arguments: Iterable[str], problems: list[HtsatError]) -> Iterator[Input]:
    for argument in arguments:
        if argument == STANDARD_INPUT:
            raise ConfigError("standard input is gone when it was read: write it to a file to use --resume")
        try:
            _require(argument)
            yield from iterate_inputs(argument, problems.append)
        except HtsatError as error:
            problems.append(error)


def _require(argument: str) -> None:
    """Refuse a path that leads nowhere: what was there may come back, as a disk that is mounted again."""
    if not (is_remote(argument) or glob.has_magic(argument) or Path(argument).exists()):
        raise DataError(f"{argument}: No such file or directory")


def _without_clashes(inputs: Iterable[Input], files_of: FilesOf) -> Iterator[Input]:
    """The recordings, each once; refuses two whose results would be written over each other."""
    titles, files = Seen(), Seen()
    for item in inputs:
        if not titles.is_new(item.title):
            continue
        for file in files_of(item):
            if not files.is_new(str(file)):
                raise ConfigError(f"{item.title} and another recording would both be written to {file}")
        yield item
