"""The second stage: workers that keep a network hear whole units, and write each down."""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from htsat.bulk.journal import Failure, Journal, Tally
from htsat.bulk.ray.sound import Decode, LaneError, Lanes
from htsat.bulk.run import Listener, Work, run_units
from htsat.bulk.units import Unit
from htsat.errors import ConfigError, HtsatError, last_line

T = TypeVar("T")

_MOST_ATTEMPTS = 4
"""How often a unit is begun: Ray would begin it for ever, also where workers die of its recordings."""


class Needs(NamedTuple):
    """What one worker takes of the cluster: for the network, and a processor for each lane that decodes."""

    n_processors: int
    n_gpus: int
    n_lanes: int

    @property
    def n_processors_in_all(self) -> int:
        """With those that decode."""
        return self.n_processors + self.n_lanes


@dataclass(frozen=True)
class Job(Generic[T]):
    """What travels to the workers. `make` loads the network, which is to hear what is decoded elsewhere.

    In the folder `attempts` workers count how often units were begun.
    """

    make: Callable[[Decode], Work[T]]
    journal: Journal
    lanes: Lanes
    attempts: Path


class Outcome(NamedTuple):
    """What a worker says about a unit: it is done, or a problem that no recording is to blame for."""

    key: str
    tally: Tally | None
    failures: Sequence[Failure]
    problem: Exception | None = None


class Worker(Generic[T]):
    """An actor of Ray; it loads the network for its first unit, and keeps it."""

    def __init__(self, job: Job[T]) -> None:
        self._job = job
        self._work: Work[T] | None = None

    def __call__(self, units: Any) -> Any:
        """Hear the units of a table of one column."""
        import pyarrow as pa

        outcomes = [self._outcome(pickle.loads(unit)) for unit in units["unit"].to_pylist()]
        return pa.table({"outcome": [pickle.dumps(outcome) for outcome in outcomes]})

    def _outcome(self, unit: Unit) -> Outcome:
        gathered = _Gathered()
        try:
            work = self._loaded()
            self._count(unit)
            run_units([unit], work, self._job.journal, gathered)
        except Exception as error:  # raised again by the driver
            return Outcome(unit.key, None, (), _portable(error))
        return Outcome(unit.key, gathered.tally, gathered.failures)

    def _count(self, unit: Unit) -> None:
        """Refuse a unit that was begun too often: whoever ends it well is the last to begin it."""
        path = self._job.attempts / unit.key
        with path.open("ab") as attempts:
            attempts.write(b".")
        if path.stat().st_size > _MOST_ATTEMPTS:
            inputs = unit.inputs
            raise HtsatError(
                f"{_MOST_ATTEMPTS} workers died one after the other while they heard the {len(inputs)} "
                f"recordings from {inputs[0].title} to {inputs[-1].title}"
            )

    def _loaded(self) -> Work[T]:
        if self._work is None:
            os.chdir(self._job.lanes.folder)
            self._work = self._job.make(self._job.lanes.decode)
        return self._work


def _portable(error: Exception) -> Exception:
    """The same error for another process: those with a constructor of their own cannot travel."""
    portable: Exception
    match error:
        case OSError():
            portable = OSError(error.errno, error.strerror, error.filename)
        case ConfigError():
            portable = ConfigError(str(error))
        case HtsatError() | LaneError():
            portable = HtsatError(str(error))
        case _:
            portable = RuntimeError(f"a worker ended with {type(error).__name__}: {last_line(error)}")
    portable.add_note("".join(traceback.format_exception(error)))
    return portable


class _Gathered:
    """Listens for what the driver has to know about one unit."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.tally: Tally | None = None

    def heard(self, failure: Failure | None) -> None:
        """A recording has its result, or has failed."""
        if failure is not None:
            self.failures.append(failure)

    def finished(self, _: Unit, tally: Tally) -> None:
        """The unit is done."""
        self.tally = tally


def run_on_workers(
    units: Sequence[Unit], job: Job[T], needs: Needs, n_workers: int, listener: Listener
) -> None:
    """Hear all units on a cluster that this process has joined; whatever is done first is told first.

    Raises:
        HtsatError: what a worker met that no recording is to blame for, or that workers die again and again.
        OSError: when results cannot be written, as on a full disk.
    """
    by_key = {unit.key: unit for unit in units}
    for outcome in _outcomes(units, job, needs, n_workers):
        if outcome.problem is not None:
            raise outcome.problem
        assert outcome.tally is not None  # there is one or the other
        unit = by_key[outcome.key]
        for failure in outcome.failures:
            listener.heard(failure)
        for _ in range(unit.n_recordings - len(outcome.failures)):
            listener.heard(None)
        listener.finished(unit, outcome.tally)


def _outcomes(units: Sequence[Unit], job: Job[T], needs: Needs, n_workers: int) -> Iterator[Outcome]:
    import ray
    from ray.exceptions import RayError

    rows = [{"unit": pickle.dumps(unit)} for unit in units]
    heard = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Worker,
        fn_constructor_args=[job],
        batch_size=1,
        batch_format="pyarrow",
        # A unit waits for the worker that is free first, not for one that is at work.
        compute=ray.data.ActorPoolStrategy(size=n_workers, max_tasks_in_flight_per_actor=1),
        num_cpus=needs.n_processors,
        num_gpus=needs.n_gpus or None,
    )
    try:
        for row in heard.iter_rows():
            yield pickle.loads(row["outcome"])
    except RayError as error:
        raise HtsatError(f"the cluster gave up: {last_line(error)}") from error
