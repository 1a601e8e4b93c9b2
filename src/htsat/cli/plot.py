"""`htsat plot`: a recording as a picture or a page, with what is heard in it."""

from __future__ import annotations

from argparse import BooleanOptionalAction, Namespace
from pathlib import Path

from htsat.bulk.inputs import STANDARD_INPUT
from htsat.cli.detect import add_rules, choose_rules
from htsat.cli.listening import check_output_file, load_model, require_classes
from htsat.cli.parser import Parser, add_model_options, on_disk, seconds, target
from htsat.data.label_files import read_label_file
from htsat.errors import ConfigError
from htsat.pictures.lanes import ClipEvents
from htsat.pictures.recording import Heard
from htsat.reports.one_pass import hear
from htsat.reports.parts import Part
from htsat.reports.plots import check_plot, write_plot
from htsat.scores import SoundEvent


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    recording, output = Path(args.file), Path(args.output)
    part = _part(args)
    check_plot(output)
    check_output_file(args.output, [recording])
    truth = None if args.labels is None else read_label_file(args.labels).of(args.file)
    model = load_model(args)
    require_classes(model)
    heard = hear(model, recording, choose_rules(args, model.description), part)
    if truth is not None:
        heard = _with_truth(heard, truth)
    write_plot(output, recording, heard, args.scores)
    return 0


def _part(args: Namespace) -> Part:
    if args.file == STANDARD_INPUT:
        raise ConfigError("htsat plot needs a file; standard input can be saved to one first")
    if args.end is not None and args.end <= args.start:
        raise ConfigError(f"--end must lie after --start, got {args.end:g} and {args.start:g} s")
    return Part(args.start, args.end)


def _with_truth(heard: Heard, truth: list[SoundEvent]) -> Heard:
    stop_s = heard.start_s + heard.sound.duration_s
    events = ClipEvents(truth, heard.events.heard).between(heard.start_s, stop_s)
    return heard._replace(events=events)


def _parser() -> Parser:
    parser = Parser(
        "plot",
        "Draw a recording: its spectrogram, and the events and scores of what is heard in it.",
        "htsat plot street.flac -o street.html --threshold 0.5",
    )
    parser.add_argument("file", type=on_disk, metavar="FILE", help="the recording")
    parser.add_argument(
        "-o",
        "--output",
        type=target,
        required=True,
        metavar="PATH",
        help="picture (.png, .svg, .pdf), or page that plays the sound too (.html)",
    )
    parser.add_argument(
        "--start", type=seconds, default=0.0, metavar="S", help="hear and draw from here on (default: 0)"
    )
    parser.add_argument("--end", type=seconds, metavar="S", help="and up to here (default: its end)")
    parser.add_argument(
        "--scores",
        action=BooleanOptionalAction,
        help="draw the probability of each class over time (default: of up to two minutes)",
    )
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="what is true, in any format of labels: drawn beside"
    )
    add_rules(parser)
    add_model_options(parser)
    return parser
