"""`--resume`: recordings are heard unit by unit, and what was finished is never heard again."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

import htsat
from htsat.bulk.inputs import Input
from htsat.bulk.journal import Failure, Journal, Tally
from htsat.bulk.listing import Listing
from htsat.bulk.lock import working_on
from htsat.bulk.report import Summary
from htsat.bulk.run import Listener, Work, run_units
from htsat.bulk.sharding import ALL, Shard, shard_of
from htsat.bulk.target import Target
from htsat.bulk.units import Cutting, Unit
from htsat.cli.listening import check_output_file, is_folder, read_for, sources_of
from htsat.cli.main import EXIT_FAILED, EXIT_INTERRUPTED
from htsat.cli.parser import Parser, count
from htsat.cli.searching import model_file
from htsat.cli.terminal import say
from htsat.errors import ConfigError, HtsatError
from htsat.files import sha256

if TYPE_CHECKING:
    from htsat.loading import LoadedModel
    from htsat.recognition.pipeline import Source

T = TypeVar("T")
Heard = TypeVar("Heard")
Runner = Callable[[Sequence[Unit], Work[Any], Journal, Listener], None]
"""Hears units and writes them down, as `run_units` does."""

EXIT_TERMINATED = 128 + signal.SIGTERM
CUTTING = Cutting()
"""How large units are."""
_SHOWN_FAILURES = 20
_OPTIONS = {
    "per": "--per",
    "top": "--top",
    "min_probability": "--min-probability",
    "threshold": "--threshold",
    "median_filter_s": "--median-filter",
    "clip_threshold": "--clip-threshold",
    "max_gap_s": "--max-gap",
    "min_duration_s": "--min-duration",
    "boxes": "--boxes",
    "classes": "--classes",
    "hide": "--hide",
    "mapped_by": "--class-map",
    "grouped_by": "--group",
    "overlap": "--overlap",
    "short": "--short",
    "gate": "--gate",
    "scores": "--scores",
    "plot": "--plot",
}
"""Options that change results; the others only change how fast they come."""


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a run as Ctrl-C does."""


def add_bulk_options(parser: Parser) -> None:
    """Options for recordings by the thousands."""
    parser.set_defaults(command=parser.prog.removeprefix("htsat "))
    group = parser.add_argument_group("many recordings (results in parts, to -o)")
    group.add_argument(
        "--resume",
        action="store_true",
        help="write results in parts as they come; called again after any end, go on where that was",
    )
    group.add_argument(
        "--retry", action="store_true", help="the same, and hear parts in which recordings failed again"
    )
    group.add_argument(
        "--shard",
        metavar="I/N",
        help="the same for the I-th of N shares (from 1), on machines that share a disk; env or env/N: as "
        "torchrun, SLURM or Kubernetes say; in the end a call without --shard joins all",
    )
    group.add_argument(
        "--engine-cluster",
        choices=["ray"],
        help="the same on the Ray cluster at RAY_ADDRESS, or on one that is started here",
    )
    group.add_argument(
        "--workers",
        type=count,
        metavar="N",
        help="networks in the cluster, each with a GPU (--device cuda) or --threads processors (default: 1), "
        "and --jobs processors that decode for it (default: as many as there is room for)",
    )


def is_bulk(args: Namespace) -> bool:
    """Whether results come in parts: an option is given that has a meaning only there."""
    given = (args.shard, args.engine_cluster, args.workers)
    return bool(args.resume or args.retry or any(value is not None for value in given))


def each(
    hear: Callable[[Sequence[Source]], Generator[Heard | HtsatError, None, None]],
    describe: Callable[[Input, Heard], T],
) -> Callable[[Sequence[Input]], Generator[T | HtsatError, None, None]]:
    """What is written about each of some recordings, from what listening says of their sources."""

    def results(inputs: Sequence[Input]) -> Generator[T | HtsatError, None, None]:
        with closing(hear(sources_of(inputs))) as answers:
            for item, answer in zip(inputs, answers, strict=True):
                yield answer if isinstance(answer, HtsatError) else describe(item, answer)

    return results


def run_bulk(
    args: Namespace, model: LoadedModel, work: Work[T], format_name: str, runner: Runner = run_units
) -> int:
    """Hear what is not done yet; returns the exit code.

    Raises:
        ConfigError: when options do not fit, or are not those of earlier calls.
        BusyError: when another process works on the output.
    """
    if args.output is None:
        raise ConfigError(
            "--resume, --retry and --shard need a place for parts: -o FOLDER/ or -o FILE"
            + (" (--engine-cluster too)" if args.engine_cluster else "")
        )
    target = Target(args.output, work.layout, is_folder=is_folder(args.output))
    shard = ALL if args.shard is None else shard_of(args.shard)
    settings = settings_of(args, model, format_name)
    if not is_folder(args.output):
        check_output_file(args.output, map(Path, args.inputs))  # before anything is made beside it
    journal = target.journal()
    journal.begin()
    with working_on(journal.state, args.output, shard), _ending_on_sigterm():
        journal.hold_to(settings)
        listing = _listed(args, work, settings)
        done = {key: tally for key, tally in journal.done().items() if not (args.retry and tally.n_failed)}
        units = shard.of(listing.units)
        with _Telling(units, done) as telling:
            try:
                runner([unit for unit in units if unit.key not in done], work, journal, telling)
            except KeyboardInterrupt as stop:
                return telling.stopped(stop)
        if shard != ALL:
            return _exit_code(listing, telling.summary(shard).n_failed)
        telling.summary(shard)
        return _concluded(args.output, target, listing, journal)


def _concluded(output: str, target: Target, listing: Listing, journal: Journal) -> int:
    """Make results what they are in the end; returns the exit code."""
    if target.holds_more(listing, journal):
        say(f"{output} stays as it is: it has recordings that cannot be listed now")
        return EXIT_FAILED
    summary = target.conclude(listing, journal)
    if summary.n_failed:
        say(f"{target.failures} lists what failed; with --retry that is heard again")
    return _exit_code(listing, summary.n_failed)


def _listed(args: Namespace, work: Work[Any], settings: dict[str, str]) -> Listing:
    words = json.dumps(settings, sort_keys=True)
    listing = Listing.of(args.inputs, words, work.layout.files_of, CUTTING)
    for problem in listing.problems:
        say(str(problem))
    if not listing.units:
        sys.exit(EXIT_FAILED)
    if not is_folder(args.output):
        inputs = (item for unit in listing.units for item in unit.inputs)
        check_output_file(args.output, read_for(args.inputs, inputs))
    return listing


def _exit_code(listing: Listing, n_failed: int) -> int:
    return EXIT_FAILED if n_failed or listing.problems else 0


class _Telling:
    """Tells people how far a share is, and what became of it."""

    def __init__(self, units: list[Unit], done: dict[str, Tally]) -> None:
        self._units = units
        self._before = [done[unit.key] for unit in units if unit.key in done]
        self._now: list[Tally] = []
        self._n_failures = 0
        self._bar: tqdm[Any] = tqdm(
            total=sum(unit.n_recordings for unit in units),
            initial=sum(tally.n_recordings for tally in self._before),
            unit="file",
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> _Telling:
        return self

    def __exit__(self, *problem: object) -> None:
        self._bar.close()

    def heard(self, failure: Failure | None) -> None:
        """A recording has its result, or has failed."""
        self._bar.update()
        if failure is None:
            return
        self._n_failures += 1
        if self._n_failures <= _SHOWN_FAILURES:
            say(f"{failure.file}: {failure.reason}")
        elif self._n_failures == _SHOWN_FAILURES + 1:
            say("further failures are in the table of failures only")

    def finished(self, _: Unit, tally: Tally) -> None:
        """A unit is done."""
        self._now.append(tally)

    def stopped(self, stop: KeyboardInterrupt) -> int:
        """The run was told to end; returns the exit code."""
        n_done = len(self._before) + len(self._now)
        word = "terminated" if isinstance(stop, _Terminated) else "interrupted"
        say(f"{word}; {n_done} of {len(self._units)} parts are done, the same call goes on from there")
        return EXIT_TERMINATED if isinstance(stop, _Terminated) else EXIT_INTERRUPTED

    def summary(self, shard: Shard) -> Summary:
        """Say what was done now, and with earlier calls; returns the latter."""
        share = "" if shard == ALL else f"share {shard}: "
        every = Summary.of([*self._before, *self._now])
        if self._before:
            before = Summary.of(self._before)
            failed = f", {before.n_failed} of them failed" if before.n_failed else ""
            say(f"{share}{before.n_recordings} recordings were done before{failed}")
        if self._now:
            say(f"{share}{Summary.of(self._now)}")
        return every


def settings_of(args: Namespace, model: LoadedModel, format_name: str) -> dict[str, str]:
    """All that results depend on, in words, by the option that chooses it."""
    values = vars(args)
    settings = {
        "htsat": f"{args.command} {htsat.__version__}",
        "--model": _model_digest(model_file(args)),
        "--precision": model.computation.precision,
        "--format": format_name,
    }
    for name, option in _OPTIONS.items():
        if name in values:
            settings[option] = _said(values[name])
    return settings


def _model_digest(file: Path) -> str:
    """The content of a model; OpenVINO keeps the weights in a second file."""
    weights = file.with_suffix(".bin")
    files = [file, weights] if file.suffix == ".xml" and weights.is_file() else [file]
    return " ".join(sha256(path) for path in files)


def _said(value: object) -> str:
    """The value of an option; of a file its content counts too."""
    if value is None:
        return "not given"
    if isinstance(value, str) and os.path.isfile(value):  # noqa: PTH113  (Path raises for a long list of names)
        return f"{value} ({sha256(Path(value))})"
    return str(value)


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end what is going on in good order, as schedulers send it before they kill."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
