"""What the commands that make and search an index share: which model, and where lists go."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from htsat.checkpoints.resolve import resolve
from htsat.cli.parser import Parser, count, target_path
from htsat.engines.choose import EngineSettings
from htsat.files import write_text
from htsat.search.listing import LISTINGS, Rows


def model_file(args: Namespace) -> Path:
    """The file of the model that the options ask for."""
    settings = EngineSettings(args.engine, args.device, args.precision, args.threads, args.compile)
    return resolve(args.model, exported=settings.wants_exported)


def add_list_options(parser: Parser, usual_top: str) -> None:
    """How long a list is, and where it goes."""
    parser.add_argument("--top", type=count, metavar="N", help=f"length of the list (default: {usual_top})")
    parser.add_argument(
        "--format",
        choices=list(LISTINGS),
        help="(default: by the suffix of PATH, table on a terminal, else csv)",
    )
    parser.add_argument("-o", "--output", type=target_path, metavar="PATH", help="file for the list")


def add_per(parser: Parser) -> None:
    """What stands in the list once."""
    parser.add_argument(
        "--per",
        choices=["recording", "moment"],
        default="recording",
        help="list each recording once, with its nearest moment, or each moment (default: recording)",
    )


def show(rows: Rows, columns: Sequence[str], args: Namespace) -> None:
    """Write a list to where the options say."""
    text = LISTINGS[_format_name(args)](rows, columns)
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_text(args.output, text)


def _format_name(args: Namespace) -> str:
    if args.format is not None:
        return str(args.format)
    if args.output is None:
        return "table" if sys.stdout.isatty() else "csv"
    return "jsonl" if args.output.suffix.lower() == ".jsonl" else "csv"
