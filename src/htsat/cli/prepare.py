"""`htsat prepare`: check a data set and write the manifest that training reads."""

from __future__ import annotations

import argparse
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from htsat.cli import prepare_soundscapes
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import MAX_THREADS, Parser, count_to, target_path
from htsat.cli.terminal import say
from htsat.data.prepare.checks import DROPPABLE, N_FULL, default_jobs
from htsat.data.prepare.facts import Examined
from htsat.data.prepare.listing import Listing
from htsat.data.prepare.pipeline import N_TSV, Wishes, prepare
from htsat.data.prepare.report import Report
from htsat.data.prepare.summary import summarise
from htsat.errors import ConfigError, did_you_mean

_N_SHOWN = 10
"""Missing and broken recordings that are named; the report names all."""


class _Kind(NamedTuple):
    """A data set: what it is, its own options, and what lists its recordings."""

    description: str
    example: str
    add_options: Callable[[Parser], None]
    read: Callable[[Namespace], Listing]


def main(argv: list[str]) -> int:
    """Run the command."""
    name = argv[0] if argv else ""
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "soundscapes":
        return prepare_soundscapes.run(argv[1:])
    if name not in _KINDS:
        names = [*_KINDS, "soundscapes"]
        problem = f"unknown data set {name!r}{did_you_mean(name, names)}" if name else "no data set given"
        raise ConfigError(f"{problem} (there are: {', '.join(names)})")
    args = _parser(name).parse(argv[1:])
    args.source = args.source.absolute()
    wishes = Wishes(args.check, args.jobs, args.drop, args.format)
    prepared = prepare(_KINDS[name].read(args), args.source, args.output, wishes, _progress)
    _name_problems(prepared.report, args.output / "report.json")
    print("\n".join(summarise(prepared.report)) + "\n")
    n_classes = len(prepared.report.classes)
    print(f"{prepared.n_clips} clips, {n_classes} classes: {prepared.manifest_path}")
    return 0 if prepared.report.is_sound else EXIT_FAILED


def _help() -> str:
    kinds = "\n".join(f"  {name:<16} {kind.description}" for name, kind in _KINDS.items())
    return f"""usage: htsat prepare DATASET SOURCE -o FOLDER ...

Check a data set and write FOLDER/manifest.tsv, labels.txt and a report. No sound is copied.

data sets:
{kinds}
  {"soundscapes":<16} New recordings with exact strong labels, mixed from a prepared data set

`htsat prepare DATASET --help` explains the options of each.

example:
  {_KINDS["esc50"].example}"""


def _parser(name: str) -> Parser:
    kind = _KINDS[name]
    parser = Parser(f"prepare {name}", f"{kind.description}: check it and write a manifest.", kind.example)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="where the data set lies")
    parser.add_argument(
        "-o", "--output", type=target_path, required=True, metavar="FOLDER", help="folder to write"
    )
    kind.add_options(parser)
    parser.add_argument(
        "--check",
        choices=["full", "headers", "none"],
        help="decode every recording, read the headers, or open none "
        f"(default: full up to {N_FULL:,} recordings, then headers)",
    )
    parser.add_argument(
        "--drop",
        type=_droppable,
        default=frozenset(),
        metavar="A,B",
        help=f"leave out what full checks find, besides broken recordings: {', '.join(DROPPABLE)}",
    )
    parser.add_argument(
        "--format",
        choices=["tsv", "parquet"],
        help=f"of the manifest (default: tsv up to {N_TSV:,} clips, then parquet)",
    )
    parser.add_argument(
        "--jobs",
        type=count_to(MAX_THREADS),
        default=default_jobs(),
        metavar="N",
        help="threads (default: all cores)",
    )
    return parser


def _droppable(text: str) -> frozenset[str]:
    names = frozenset(_comma_separated(text))
    for name in names - set(DROPPABLE):
        raise argparse.ArgumentTypeError(f"expected {' or '.join(DROPPABLE)}, got {name!r}")
    return names


def _comma_separated(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"is not a regular expression: {error}") from None
    if not pattern.groups:
        raise argparse.ArgumentTypeError(f"expected a group in brackets, got {text!r}")
    return pattern


def _progress(examined: Iterator[Examined], n_recordings: int) -> Iterable[Examined]:
    return tqdm(examined, total=n_recordings, unit="file", disable=not sys.stderr.isatty(), leave=False)


def _name_problems(report: Report, everything: Path) -> None:
    problems = [f"{entry.name}: listed, but not there" for entry in report.missing]
    problems += [f"{entry.clip.title}: {entry.reason}" for entry in report.broken]
    problems += [f"label {name!r} ({n:,} clips) is no class" for name, n in report.unknown_labels.items()]
    for problem in problems[:_N_SHOWN]:
        say(problem)
    if len(problems) > _N_SHOWN:
        say(f"{len(problems) - _N_SHOWN:,} more in {everything}")


def _audioset_options(parser: Parser) -> None:
    parser.add_argument(
        "--strong",
        type=Path,
        action="append",
        default=[],
        metavar="TSV",
        help="take strong labels, from Google's tables such as audioset_train_strong.tsv, instead of weak "
        "ones; may be given several times",
    )


def _esc50_options(parser: Parser) -> None:
    parser.add_argument(
        "--licences",
        type=_comma_separated,
        default=[],
        metavar="A,B",
        help="keep only clips with these licences (default: all)",
    )


def _speech_commands_options(parser: Parser) -> None:
    parser.add_argument(
        "--label-order",
        choices=["sorted", "author"],
        default="sorted",
        help="author: the order of the published checkpoint (default: sorted)",
    )
    parser.add_argument(
        "--folds",
        choices=["official", "speaker"],
        default="official",
        help="train, validation and testing, or one fold for each speaker (default: official)",
    )


def _desed_options(parser: Parser) -> None:
    parser.add_argument(
        "--unlabelled",
        action="store_true",
        help="take unlabelled clips into the manifest, as clips with none of the classes",
    )


def _folder_options(parser: Parser) -> None:
    parser.add_argument(
        "--group",
        type=_pattern,
        metavar="REGEX",
        help="its first group, found in the name of a file, is the origin of the recording "
        "(default: the name without suffix)",
    )


def _read_audioset(args: Namespace) -> Listing:
    from htsat.data.prepare.audioset import read_audioset

    return read_audioset(args.source, args.strong)


def _read_esc50(args: Namespace) -> Listing:
    from htsat.data.prepare.esc50 import read_esc50

    return read_esc50(args.source, args.licences).listing()


def _read_speech_commands(args: Namespace) -> Listing:
    from htsat.data.prepare.speech_commands import read_speech_commands

    return read_speech_commands(args.source, args.label_order, args.folds)


def _read_desed(args: Namespace) -> Listing:
    from htsat.data.prepare.desed import read_desed

    return read_desed(args.source, keep_unlabelled=args.unlabelled)


def _read_folder(args: Namespace) -> Listing:
    from htsat.data.prepare.folder import read_own_folder

    return read_own_folder(args.source, args.group)


_KINDS = {
    "audioset": _Kind(
        "AudioSet (files with Google's lists, packed HDF5, or Parquet)",
        "htsat prepare audioset audioset/ -o data/audioset",
        _audioset_options,
        _read_audioset,
    ),
    "esc50": _Kind(
        "ESC-50",
        "htsat prepare esc50 ESC-50-master -o data/esc50 --licences CC0,CC-BY",
        _esc50_options,
        _read_esc50,
    ),
    "speech-commands": _Kind(
        "Speech Commands, and sets laid out like it",
        "htsat prepare speech-commands speech_commands_v0.02 -o data/words --label-order author",
        _speech_commands_options,
        _read_speech_commands,
    ),
    "desed": _Kind("DESED", "htsat prepare desed DESED/dataset -o data/desed", _desed_options, _read_desed),
    "folder": _Kind(
        "Your own recordings, with label files beside them or one folder per class",
        "htsat prepare folder recordings/ -o data/mine --drop silent,duplicates",
        _folder_options,
        _read_folder,
    ),
}
