"""`htsat segments`: cut out what is heard, for people to look through."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import get_args

from tqdm import tqdm

from htsat.bulk.inputs import Input
from htsat.cli.finding import add_finding, find
from htsat.cli.listening import Batch, shows_progress
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import Parser, count, seconds, target
from htsat.cli.terminal import say
from htsat.errors import ConfigError, HtsatError
from htsat.reports.choice import Choice, Choose, Place
from htsat.reports.found import Found
from htsat.reports.segments import (
    Cutting,
    Listed,
    Segment,
    SegmentFormat,
    check_stems,
    read_list,
    write_list,
    write_segments,
)

_SHORTEST_S = 0.1


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    folder = _folder(args.output)
    listed = read_list(folder)
    cutting = _cutting(args)
    batch = Batch.found(args.inputs)
    check_stems([item.name for item in batch.inputs])
    choice = Choice(args.per_class, args.choose)
    numbers = {item: number for number, item in enumerate(batch.inputs)}

    def keep(item: Input, found: Found) -> None:
        for event in found.events:
            choice.add(Place(numbers[item], event))

    finding = find(args, batch)
    code = batch.run(finding.results, keep, shows_progress=shows_progress(args.output))
    wanted = _by_recording(batch.inputs, choice.chosen(), cutting)
    return max(code, _Cutter(folder, listed).cut(batch.inputs, wanted))


class _Cutter:
    """Writes the segments that are not there, and the list of all."""

    def __init__(self, folder: Path, listed: dict[str, Listed]) -> None:
        self._folder = folder
        self._listed = listed
        self._n_written = self._n_known = 0

    def cut(self, inputs: Sequence[Input], wanted: Sequence[Sequence[Segment]]) -> int:
        """Cut the segments of each recording; returns the exit code."""
        n_failed = 0
        try:
            pairs = list(zip(inputs, wanted, strict=True))
            for item, segments in tqdm(pairs, unit="file", disable=not sys.stderr.isatty()):
                n_failed += not self._succeeds(item, segments)
        finally:
            write_list(self._folder, self._listed)
        known = f", {self._n_known} were there or in the list before" if self._n_known else ""
        say(f"{self._n_written} segments written to {self._folder}{known}")
        return EXIT_FAILED if n_failed else 0

    def _succeeds(self, item: Input, segments: Sequence[Segment]) -> bool:
        missing = [segment for segment in segments if not self._is_known(item, segment)]
        self._n_known += len(segments) - len(missing)
        try:
            for segment in write_segments(self._folder, Path(item.title), missing) if missing else ():
                self._list(item, segment)
                self._n_written += 1
        except HtsatError as error:
            say(str(error))
            return False
        return True

    def _is_known(self, item: Input, segment: Segment) -> bool:
        """Whether a segment was cut before; one that is in the list may have been moved away by people."""
        if segment.name.as_posix() in self._listed:
            return True
        if not (self._folder / segment.name).exists():
            return False
        self._list(item, segment)
        return True

    def _list(self, item: Input, segment: Segment) -> None:
        self._listed[segment.name.as_posix()] = Listed.of(segment, item.title)


def _by_recording(
    inputs: Sequence[Input], chosen: dict[str, list[Place]], cutting: Cutting
) -> list[list[Segment]]:
    """The segments of each recording, each name once."""
    segments: list[dict[PurePath, Segment]] = [{} for _ in inputs]
    for places in chosen.values():
        for place in places:
            segment = cutting.segment(inputs[place.recording].name, place.event)
            segments[place.recording].setdefault(segment.name, segment)
    return [list(own.values()) for own in segments]


def _folder(output: str) -> Path:
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"-o needs a folder, and {output} is a file")
    return folder


def _cutting(args: Namespace) -> Cutting:
    if args.longest < _SHORTEST_S:
        raise ConfigError(f"--longest must be at least {_SHORTEST_S:g} s, got {args.longest:g}")
    return Cutting(args.context, args.longest, args.format)


def _parser() -> Parser:
    parser = Parser(
        "segments",
        "Cut found events out as sound files, a folder for each class, at the recording's own sample rate.",
        "htsat segments recordings/ -o review/ --per-class 30 --choose spread --context 0.5",
    )
    add_finding(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=target,
        required=True,
        metavar="FOLDER",
        help="what is there already is not replaced",
    )
    parser.add_argument(
        "--per-class", type=count, default=50, metavar="N", help="most segments of a class (default: 50)"
    )
    parser.add_argument(
        "--choose",
        choices=get_args(Choose),
        default="best",
        help="the most probable, or some of every probability (default: best)",
    )
    parser.add_argument(
        "--context",
        type=seconds,
        default=0.5,
        metavar="S",
        help="seconds before and after an event (default: 0.5)",
    )
    parser.add_argument(
        "--longest",
        type=seconds,
        default=30.0,
        metavar="S",
        help="of a longer segment the first part is cut out (default: 30)",
    )
    parser.add_argument(
        "--format", choices=get_args(SegmentFormat), default="flac", help="of the files (default: flac)"
    )
    return parser
