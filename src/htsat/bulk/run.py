"""Hears units one after the other, and writes each down before the next begins."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Generic, Protocol, TypeVar

from htsat.bulk.inputs import Input
from htsat.bulk.journal import Failure, Journal, Record, Tally, staged_part
from htsat.bulk.units import Unit
from htsat.errors import ConfigError, HtsatError

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Write = Callable[[Input, T], None]
"""Writes the result of a recording; a HtsatError is a failure of this recording."""

_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Problems that no recording is to blame for: a run that met them would call good recordings bad."""


class Layout(Protocol[T_contra]):
    """Where results go: to a part for each unit, or to a file for each recording."""

    @property
    def suffix(self) -> str | None:
        """That of parts; None where each recording has a file of its own."""

    def opened(self, path: Path) -> AbstractContextManager[Write[T_contra]]:
        """What writes a part of this path, or files below it."""

    def files_of(self, item: Input) -> Sequence[PurePath]:
        """The files of a recording: below the output, or where an absolute path says."""


@dataclass(frozen=True)
class Work(Generic[T]):
    """What is done with recordings.

    `hear` gives a result, or an error, for each of some recordings in their order; `heard_s` how long the
    sound was that a result is about, None where results do not tell. A cluster may take the place of `hear`.
    """

    hear: Callable[[Sequence[Input]], Generator[T | HtsatError, None, None]]
    heard_s: Callable[[T], float | None]
    layout: Layout[T]


class Listener(Protocol):
    """Is told what goes on."""

    def heard(self, failure: Failure | None) -> None:
        """A recording has its result, or has failed."""

    def finished(self, unit: Unit, tally: Tally) -> None:
        """A unit is done, whatever happens next."""


def run_units(units: Iterable[Unit], work: Work[T], journal: Journal, listener: Listener) -> None:
    """Hear all units; every one of them that was finished stays.

    Raises:
        OSError: when results cannot be written, as on a full disk.
    """
    for unit in units:
        with journal.staging(unit.key) as staged:
            record = _Hearing(work, listener).run(unit, staged)
            journal.finish(unit.key, staged, record)
        listener.finished(unit, record.tally)


class _Hearing(Generic[T]):
    """One unit on its way."""

    def __init__(self, work: Work[T], listener: Listener) -> None:
        self._work, self._listener = work, listener
        self._failures: list[Failure] = []
        self._files: list[str] = []
        self._heard_s: float | None = 0.0

    def run(self, unit: Unit, staged: Path) -> Record:
        """Write the results of a unit into a folder."""
        began_s = time.monotonic()
        inputs, suffix = unit.inputs, self._work.layout.suffix
        path = staged if suffix is None else staged_part(staged, suffix)
        with closing(self._work.hear(inputs)) as results, self._work.layout.opened(path) as write:
            for item, result in zip(inputs, results, strict=True):
                self._take(item, result, write)
        took_s = time.monotonic() - began_s
        return Record(len(inputs), self._failures, self._heard_s, took_s, self._files)

    def _take(self, item: Input, result: T | HtsatError, write: Write[T]) -> None:
        failure = None
        try:
            if isinstance(result, HtsatError):
                raise result
            write(item, result)
            self._count(item, result)
        except ConfigError:
            raise
        except HtsatError as error:
            if fault := fault_of_the_machine(error):
                raise fault from None
            failure = Failure(item.title, str(error).removeprefix(f"{item.title}: "))
            self._failures.append(failure)
        self._listener.heard(failure)

    def _count(self, item: Input, result: T) -> None:
        heard_s = self._work.heard_s(result)
        self._heard_s = None if heard_s is None or self._heard_s is None else self._heard_s + heard_s
        self._files += map(str, self._work.layout.files_of(item))


def fault_of_the_machine(error: BaseException) -> OSError | None:
    """What an error comes from, if no recording is to blame for that."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _OF_THE_MACHINE:
            return cause
        cause = cause.__cause__
    return None
