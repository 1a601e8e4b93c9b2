"""`htsat report`: what is heard in many recordings, as one page."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Generator
from datetime import datetime
from pathlib import Path

import htsat
from htsat.bulk.inputs import Input
from htsat.cli.finding import Finding, add_finding, find
from htsat.cli.listening import Batch, shows_progress
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import Parser, target
from htsat.cli.terminal import say
from htsat.errors import ConfigError, HtsatError
from htsat.reports.choice import Choice, Place
from htsat.reports.examples import Examples, make_examples
from htsat.reports.found import Found
from htsat.reports.moments import moment_of
from htsat.reports.report_page import Report, write_report
from htsat.reports.tally import Tally
from htsat.reports.timeline import Timeline

_SUFFIX = ".html"
_CLASSES_WITH_EXAMPLES = 30


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    output = Path(args.output)
    if output.suffix.lower() != _SUFFIX:
        raise ConfigError(f"{output}: a report ends with {_SUFFIX}, got {output.suffix!r}")
    batch = Batch.found(args.inputs, args.output)
    maker = _Maker(args, batch)
    return maker.run(find(args, batch))


class _Maker:
    """Counts what is found in each recording, and writes the page at the end."""

    def __init__(self, args: Namespace, batch: Batch) -> None:
        self._args, self._batch = args, batch
        self._numbers = {item: number for number, item in enumerate(batch.inputs)}
        self._paths = [Path(item.title) for item in batch.inputs]
        self._moments = [moment_of(path) for path in self._paths]
        self._tally = Tally(self._moments, Timeline.of([item.name for item in batch.inputs], self._moments))
        self._choice = Choice(args.examples, "best")
        self._failed: list[str] = []

    def run(self, finding: Finding) -> int:
        """Hear or read all recordings, write the page; returns the exit code."""
        results = self._noted(finding.results)
        code = self._batch.run(results, self._keep, shows_progress=shows_progress(self._args.output))
        examples = self._examples()
        title = self._args.title or f"Heard in {', '.join(map(str, self._args.inputs[:3]))}"
        origin = [
            *finding.origin,
            ("htsat", htsat.__version__),
            ("written", f"{datetime.now():%Y-%m-%d %H:%M}"),
        ]
        report = Report(title, self._paths, self._moments, self._tally, examples, self._failed, origin)
        write_report(Path(self._args.output), report)
        return EXIT_FAILED if self._failed else code

    def _keep(self, item: Input, found: Found) -> None:
        number = self._numbers[item]
        self._tally.add(number, found)
        if self._args.examples:
            for event in found.events:
                self._choice.add(Place(number, event))

    def _noted(
        self, results: Generator[Found | HtsatError, None, None]
    ) -> Generator[Found | HtsatError, None, None]:
        """The same results; errors are for the page too."""
        for result in results:
            if isinstance(result, HtsatError):
                self._failed.append(str(result))
            yield result

    def _examples(self) -> Examples:
        classes = [tally.label for tally in self._tally.classes[:_CLASSES_WITH_EXAMPLES]]
        chosen = self._choice.chosen()
        wanted = {label: chosen[label] for label in classes if label in chosen}
        return make_examples(wanted, self._paths, round(self._args.sound_mb * 1e6), self._fail)

    def _fail(self, error: HtsatError) -> None:
        say(str(error))
        self._failed.append(str(error))


def _parser() -> Parser:
    parser = Parser(
        "report",
        "Write a page about what is heard in many recordings: classes, times of day, examples to listen to.",
        "htsat report recordings/ -o report.html --threshold 0.5 --jobs 2",
    )
    add_finding(parser)
    parser.add_argument("-o", "--output", type=target, required=True, metavar="PATH", help="the page (.html)")
    parser.add_argument("--title", metavar="TEXT", help="(default: the names of the inputs)")
    parser.add_argument(
        "--examples",
        type=_number_of_examples,
        default=3,
        metavar="N",
        help=f"events to listen to of a class, for the first {_CLASSES_WITH_EXAMPLES} classes (default: 3)",
    )
    parser.add_argument(
        "--sound-mb",
        type=_megabytes,
        default=8.0,
        metavar="MB",
        help="most that examples add to the page (default: 8)",
    )
    return parser


def _number_of_examples(text: str) -> int:
    if not text.isdecimal() or int(text) > 100:
        raise ArgumentTypeError(f"expected a whole number from 0 to 100, got {text!r}")
    return int(text)


def _megabytes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1000:
        raise ArgumentTypeError(f"expected megabytes from 0 to 1000, got {text!r}")
    return value
