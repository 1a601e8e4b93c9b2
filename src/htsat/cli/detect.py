"""`htsat detect`: find when each sound begins and ends."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from htsat.bulk.inputs import Input
from htsat.cli.listening import (
    Batch,
    choose_format,
    hear,
    load_model,
    require_classes,
    results,
    shows_progress,
)
from htsat.cli.parser import Parser, add_inputs, add_model_options, add_text_output, probability, seconds
from htsat.errors import ConfigError, did_you_mean
from htsat.formats import EVENT_FORMATS, DetectedRecording
from htsat.labels import LabelSet
from htsat.recognition.events import USUAL_RULES, EventRules

if TYPE_CHECKING:
    from htsat.engines.protocol import ModelDescription

_NEVER = 1.0
"""A threshold that no probability exceeds."""


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    text_format = choose_format(args, EVENT_FORMATS)
    batch = Batch.found(args.inputs)
    model = load_model(args)
    require_classes(model)
    rules = _rules(args, model.description)
    with results(args.output, text_format, batch.inputs) as write:

        def listen(item: Input) -> None:
            hearing = hear(model, item, rules)
            write(item.name, DetectedRecording(item.title, hearing.duration_s, hearing.events))

        return batch.run(listen, shows_progress=shows_progress(args.output))


def _rules(args: Namespace, model: ModelDescription) -> EventRules:
    thresholds = model.thresholds
    if args.threshold is not None:
        thresholds = (args.threshold,) * len(model.labels)
    if args.classes is not None:
        wanted = split_classes(args.classes, model.labels)
        thresholds = tuple(
            threshold if label in wanted else _NEVER
            for label, threshold in zip(model.labels, thresholds, strict=True)
        )
    return EventRules(thresholds, args.median_filter, args.min_duration, args.max_gap, args.clip_threshold)


def split_classes(text: str, labels: LabelSet) -> set[str]:
    """Class names between commas; a name may hold commas itself.

    Raises:
        ConfigError: when a class is unknown, with the nearest name.
    """
    wanted: set[str] = set()
    pieces = text.split(",")
    while pieces:
        heads = [(",".join(pieces[:n]).strip(), n) for n in range(len(pieces), 0, -1)]
        name, n_pieces = next((head for head in heads if head[0] in labels), heads[-1])
        if name not in labels:
            raise ConfigError(f"--classes: the model has no class {name!r}{did_you_mean(name, labels)}")
        wanted.add(name)
        pieces = pieces[n_pieces:]
    return wanted


def _parser() -> Parser:
    parser = Parser(
        "detect",
        "Find when each sound begins and ends.",
        "htsat detect street.flac --classes 'Dog,Siren' --min-duration 0.5 --format audacity -o street.txt",
    )
    add_inputs(parser)
    _add_rules(parser)
    add_text_output(parser, EVENT_FORMATS)
    add_model_options(parser)
    return parser


def _add_rules(parser: Parser) -> None:
    group = parser.add_argument_group("rules, in the order in which they apply")
    group.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help="probability above which a class sounds (default: the model's own, per class)",
    )
    group.add_argument("--classes", metavar="A,B", help="only these classes")
    group.add_argument(
        "--median-filter",
        type=seconds,
        default=USUAL_RULES.median_filter_s,
        metavar="S",
        help="smooth over so many seconds (default: %(default)g)",
    )
    group.add_argument(
        "--clip-threshold",
        type=probability,
        default=USUAL_RULES.clip_threshold,
        metavar="P",
        help="probability that the class must have in the clip around (default: %(default)g)",
    )
    group.add_argument(
        "--max-gap",
        type=seconds,
        default=USUAL_RULES.max_gap_s,
        metavar="S",
        help="join events that are no farther apart (default: %(default)g)",
    )
    group.add_argument(
        "--min-duration",
        type=seconds,
        default=USUAL_RULES.min_duration_s,
        metavar="S",
        help="leave out shorter events (default: %(default)g)",
    )
