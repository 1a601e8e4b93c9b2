"""`htsat similar`: what in an index sounds like a recording of it, or which of them are near duplicates."""

from __future__ import annotations

from argparse import Namespace

from htsat.cli.parser import Parser, path_on_disk, probability, seconds
from htsat.cli.searching import add_list_options, add_per, show
from htsat.cli.terminal import say
from htsat.errors import ConfigError
from htsat.search.index import Index
from htsat.search.listing import HIT_COLUMNS, PAIR_COLUMNS
from htsat.search.pairs import pairs
from htsat.search.ranking import Hit

_TOP, _TOP_PAIRS = 10, 1000


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    _check_use(args)
    index = Index.open(args.index)
    if args.pairs:
        _show_pairs(index, args)
    else:
        show(_like(index, args), HIT_COLUMNS, args)
    return 0


def _check_use(args: Namespace) -> None:
    if bool(args.recordings) == args.pairs:
        raise ConfigError("name recordings of the index, or ask for --pairs, one of them")
    if args.pairs and args.at is not None:
        raise ConfigError("--at goes with a recording, not with --pairs")
    if args.at is not None and len(args.recordings) > 1:
        raise ConfigError("--at goes with one recording")


def _like(index: Index, args: Namespace) -> list[Hit]:
    """What is like the recordings, without themselves."""
    import numpy as np

    from htsat.search.vectors import direction

    found = [index.recording(name) for name in args.recordings]
    if args.at is None:
        vectors = np.stack([direction(recording.vectors) for recording in found])
    else:
        vectors = index.moment(found[0], args.at)
    themselves = frozenset(recording.file for recording in found)
    return index.nearest(vectors, args.top or _TOP, args.per, themselves)


def _show_pairs(index: Index, args: Namespace) -> None:
    top = args.top or _TOP_PAIRS
    found = pairs(index, args.min_similarity, top)
    show(found, PAIR_COLUMNS, args)
    if len(found) == top:
        say(f"the list ends after {top} pairs, there may be more (--top)")


def _parser() -> Parser:
    parser = Parser(
        "similar",
        "Find what in an index sounds most like one or more of its own recordings, or with --pairs which of\n"
        "its recordings hold the same: near duplicates. No model is needed.",
        "htsat similar index.parquet dog.wav",
    )
    parser.add_argument(
        "index", type=path_on_disk, metavar="INDEX", help=".parquet or .npy file, or a folder of them"
    )
    parser.add_argument(
        "recordings", nargs="*", metavar="RECORDING", help="as the index calls it, or the end of its path"
    )
    parser.add_argument("--at", type=seconds, metavar="S", help="look for what is heard at this time of it")
    parser.add_argument("--pairs", action="store_true", help="list pairs of recordings with equal moments")
    parser.add_argument(
        "--min-similarity",
        type=probability,
        default=0.98,
        metavar="X",
        help="how similar the moments of a pair must be, from 0 to 1 (default: 0.98)",
    )
    add_per(parser)
    add_list_options(parser, f"{_TOP}, of pairs {_TOP_PAIRS}")
    return parser
