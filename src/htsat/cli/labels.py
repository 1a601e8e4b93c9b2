"""`htsat labels`: put files of strong labels into other formats, and see what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from htsat.audio import SUFFIXES as AUDIO_SUFFIXES
from htsat.bulk.inputs import Input
from htsat.cli.listening import check_output_file, is_folder, results
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import Parser, on_disk
from htsat.cli.terminal import say
from htsat.data.label_files import SUFFIXES
from htsat.data.label_summary import slips, summarize
from htsat.errors import ConfigError, DataError
from htsat.formats import ALL_EVENT_FORMATS, AnyFormat, DetectedRecording
from htsat.formats.csv import EVENTS, EVENTS_WITH_BANDS
from htsat.formats.reading import READERS, read_recordings

_STANDARD_OUTPUT = "-"
_SUFFIXES = SUFFIXES | {".parquet"}
_ENDINGS = {
    ".selections.txt": "raven",
    ".txt": "audacity",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".textgrid": "textgrid",
    ".vtt": "webvtt",
    ".eaf": "elan",
    ".jams": "jams",
}
"""How the names of files in each format end, in lower case."""

_RAVEN_ENDING = re.compile(r"(\.Table\.\d+)?\.selections$", flags=re.IGNORECASE)


def main(argv: list[str]) -> int:
    """Run the command."""
    commands = {"convert": _convert, "check": _check}
    parser = Parser(
        "labels",
        "Put files of strong labels into other formats (convert), and see what they hold (check).",
        "htsat labels convert events.csv street.TextGrid\n  htsat labels check recordings/",
    )
    parser.add_argument("command", choices=list(commands), help="each has a --help of its own")
    return commands[parser.parse(argv[:1]).command](argv[1:])


def _convert(argv: list[str]) -> int:
    args = _convert_parser().parse(argv)
    target = _target(args.target, args.to)
    found = _Found.below(Path(args.source), args.read_as)
    if not found.told:
        return EXIT_FAILED
    if target is EVENTS and any(event.band for _, told in found.told for event in told.events):
        target = EVENTS_WITH_BANDS
    inputs = [Input(path, _own_name(told.file)) for path, told in found.told]
    output = None if args.target == _STANDARD_OUTPUT else args.target
    if output is not None and not is_folder(output):
        check_output_file(output, (path for path, _ in found.told))
    with results(output, target, inputs) as write:
        for item, (_, told) in zip(inputs, found.told, strict=True):
            write(item.name, told)
    return EXIT_FAILED if found.n_failed else 0


def _check(argv: list[str]) -> int:
    args = _check_parser().parse(argv)
    found = _Found.below(Path(args.source), args.read_as)
    recordings = [told for _, told in found.told]
    for slip in slips(recordings):
        say(slip)
    classes = summarize(recordings)
    n_events = sum(own.n_events for own in classes)
    print(f"recordings {len(recordings)}, events {n_events}, classes {len(classes)}")
    print("  events  recordings   seconds  median s  class")
    for own in classes:
        print(
            f"{own.n_events:8d}  {own.n_recordings:10d}  {own.total_s:8.1f}  {own.median_s:8.2f}  {own.label}"
        )
    return EXIT_FAILED if found.n_failed else 0


class _Found(NamedTuple):
    """The recordings that files tell of, each with its file, and how many files could not be read."""

    told: list[tuple[Path, DetectedRecording]]
    n_failed: int

    @classmethod
    def below(cls, source: Path, name: str | None) -> _Found:
        """From a file, or all label files of a folder: what is wrong with one is said, and others go on."""
        told: list[tuple[Path, DetectedRecording]] = []
        n_failed = 0
        for path, own_name in _label_files(source):
            try:
                of_file = read_recordings(path, name)
            except (DataError, OSError) as error:
                say(f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error))
                n_failed += 1
                continue
            told += [(path, recording._replace(file=recording.file or own_name)) for recording in of_file]
        return cls(told, n_failed)


def _label_files(source: Path) -> Iterator[tuple[Path, str]]:
    """Files, each with the name of the recording that it is about, if it does not say."""
    if not source.is_dir():
        yield source, _recording_name(source.name)
        return
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in _SUFFIXES)
    visible = [path.relative_to(source) for path in found]
    visible = [path for path in visible if not any(part.startswith(".") for part in path.parts)]
    if not visible:
        raise DataError(f"{source}: no label files found ({', '.join(sorted(_SUFFIXES))})")
    for path in visible:
        yield source / path, path.with_name(_recording_name(path.name)).as_posix()


def _recording_name(name: str) -> str:
    """The name of a label file without what says that it is one."""
    return _RAVEN_ENDING.sub("", PurePath(name).stem)


def _own_name(file: str) -> PurePath:
    """Where below a folder the labels of a recording go, as if its name had a suffix of sound in any case."""
    path = PurePath(file.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        path = PurePath(path.name)
    return path if path.suffix.lower() in AUDIO_SUFFIXES else path.with_name(f"{path.name}.wav")


def _target(output: str, name: str | None) -> AnyFormat[DetectedRecording]:
    """The format that was asked for, or the one that the name of the file says."""
    if name is not None:
        return ALL_EVENT_FORMATS[name]
    if is_folder(output):
        raise ConfigError(f"{output} is a folder: its files need a format, --to ({', '.join(READERS)})")
    known = next((kind for ending, kind in _ENDINGS.items() if output.lower().endswith(ending)), None)
    if known is None:
        raise ConfigError(f"{output}: its name says no format; add --to ({', '.join(READERS)})")
    return ALL_EVENT_FORMATS[known]


def _convert_parser() -> Parser:
    parser = Parser(
        "labels convert",
        "Put files of strong labels into another format. docs/formats.md tells what each of them can hold.",
        "htsat labels convert events.csv street.TextGrid\n"
        "  htsat labels convert recordings/ raven/ --to raven",
    )
    _add_source(parser)
    parser.add_argument(
        "target",
        type=on_disk,
        metavar="B",
        help="a file for all recordings, folder/ with a file for each of them, or - (standard output)",
    )
    parser.add_argument("--to", choices=list(READERS), help="format of B (default: as its name says)")
    return parser


def _check_parser() -> Parser:
    parser = Parser(
        "labels check",
        "Count what files of strong labels hold, and name what cannot be read or looks like a slip.",
        "htsat labels check recordings/",
    )
    _add_source(parser)
    return parser


def _add_source(parser: Parser) -> None:
    parser.add_argument("source", metavar="A", help="a file of labels, or a folder with such files")
    parser.add_argument(
        "--from",
        dest="read_as",
        choices=list(READERS),
        help="format of A (default: told by what is in each file)",
    )
