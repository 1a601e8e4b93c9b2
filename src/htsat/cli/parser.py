"""Option parsers whose errors are one line and name the nearest option, and the options of listening."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn, get_args

from htsat.errors import ConfigError, did_you_mean

MAX_THREADS = 1024
MAX_BATCH = 65_536


class Parser(argparse.ArgumentParser):
    """The parser of one command; its help ends with an example.

    Raises:
        ConfigError: from `parse_args`, when the arguments do not fit.
    """

    def __init__(self, command: str, description: str, example: str) -> None:
        super().__init__(
            prog=f"htsat {command}",
            description=description,
            epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """The values of all options."""
        args, unknown = self.parse_known_args(argv)
        if unknown and not unknown[0].startswith("-"):
            raise ConfigError(f"{self.prog} takes no argument {unknown[0]!r}")
        if unknown:
            raise ConfigError(
                f"unknown option {unknown[0]!r}{did_you_mean(unknown[0], self._option_string_actions)}"
            )
        return args

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments."""
        raise ConfigError(message)


def probability(text: str) -> float:
    """A number from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return value


def seconds(text: str) -> float:
    """A length of time, 0 or more."""
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, at least 0, got {text!r}")
    return value


def level(text: str) -> float:
    """A level in dB of full scale, 0 or less."""
    value = _number(text)
    if not -float("inf") < value <= 0:
        raise argparse.ArgumentTypeError(f"expected a level in dBFS, at most 0, got {text!r}")
    return value


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number, at least 1, got {text!r:.80}")
    return int(text)


def count_to(most: int) -> Callable[[str], int]:
    """Reader of a whole number from 1 to `most`."""

    def bounded(text: str) -> int:
        number = count(text)
        if number > most:
            raise argparse.ArgumentTypeError(f"expected a whole number, at most {most:,}, got {text!r:.80}")
        return number

    return bounded


def named(text: str) -> str:
    """What has a name: not the value of a variable that is not set."""
    if not text:
        raise argparse.ArgumentTypeError("expected a name or a path, got ''")
    return text


def on_disk(text: str) -> str:
    """A path on a disk, for what does not follow addresses."""
    if "://" in named(text):
        raise argparse.ArgumentTypeError(f"expected a path on a disk, got the address {text!r}")
    return text


def path_on_disk(text: str) -> Path:
    """The same, as a path."""
    return Path(on_disk(text))


def target(text: str) -> str:
    """Where results go: a place on a disk."""
    if text == "-":
        raise argparse.ArgumentTypeError("expected a path, got '-' (./- for a file of that name)")
    return on_disk(text)


def target_path(text: str) -> Path:
    """The same, as a path."""
    return Path(target(text))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None


def add_inputs(parser: Parser) -> None:
    """The recordings to listen to, and how many threads decode them."""
    parser.add_argument(
        "inputs",
        nargs="+",
        type=named,
        metavar="INPUT",
        help="file, folder (all below it), glob pattern, manifest (.csv, .tsv, .jsonl, .parquet), "
        ".tar shard, s3://..., - (standard input)",
    )
    parser.add_argument(
        "--jobs",
        type=count_to(MAX_THREADS),
        default=1,
        metavar="N",
        help="threads that decode ahead of the network (default: 1)",
    )


def add_text_output(parser: Parser, formats: Iterable[str]) -> None:
    """Where results go, and in which format."""
    parser.add_argument(
        "--format",
        choices=list(formats),
        help="(default: by the suffix of PATH, table on a terminal, else csv)",
    )
    parser.add_argument(
        "-o", "--output", type=target, metavar="PATH", help="file, or folder/ for one file per recording"
    )


def add_model_options(parser: Parser) -> None:
    """Which model listens, and how it cuts recordings into clips."""
    group = add_engine_options(parser)
    group.add_argument(
        "--batch-size",
        type=count_to(MAX_BATCH),
        metavar="N",
        help="clips that run together (default: 20 s of sound on a processor, 160 s elsewhere)",
    )
    group.add_argument(
        "--overlap",
        type=_number,
        default=0.5,
        metavar="X",
        help="fraction of a clip that neighbouring clips share (default: 0.5)",
    )


def add_engine_options(parser: Parser) -> argparse._ArgumentGroup:
    """Which model listens, and what runs it; returns the group of these options."""
    from htsat.engines.choose import DeviceName, EngineName, Precision

    # Commands that give no classes leave those of the model as they are.
    parser.set_defaults(mapped_by=None, grouped_by=None)
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        type=named,
        metavar="M",
        help="name, model file (also an exported one) or hf://owner/repo (default: the one inside)",
    )
    group.add_argument("--device", choices=get_args(DeviceName), default="auto", help="(default: auto)")
    group.add_argument(
        "--engine",
        choices=["auto", *get_args(EngineName)],
        default="auto",
        help="what runs the network: auto takes the fastest that is installed and can run the model",
    )
    group.add_argument(
        "--precision",
        choices=get_args(Precision),
        help="auto is bf16 where the processor has it (default: that of the model file, mostly fp32)",
    )
    group.add_argument("--compile", action="store_true", help="let torch compile the network first")
    group.add_argument(
        "--gate",
        type=level,
        metavar="DBFS",
        help="clips whose RMS is below this level are silence, which costs nothing (default: off)",
    )
    group.add_argument(
        "--threads", type=count_to(MAX_THREADS), metavar="N", help="processor threads (default: all cores)"
    )
    group.add_argument(
        "--short",
        choices=["repeat", "pad"],
        default="repeat",
        help="what fills the clip of a shorter recording: its repetition, or silence (default: repeat)",
    )
    return group
