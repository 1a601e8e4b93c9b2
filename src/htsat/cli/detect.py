"""`htsat detect`: find when each sound begins and ends."""

from __future__ import annotations

from argparse import BooleanOptionalAction, Namespace, _ArgumentGroup
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from htsat.bulk.inputs import Input
from htsat.cli.listening import (
    Batch,
    choose_format,
    load_model,
    require_classes,
    results,
    shows_progress,
)
from htsat.cli.parser import Parser, add_inputs, add_model_options, add_text_output, probability, seconds
from htsat.cli.score_files import ScoreFiles
from htsat.errors import ConfigError, did_you_mean
from htsat.formats import EVENT_FORMATS, DetectedRecording
from htsat.labels import LabelSet
from htsat.rules import BoxRules, EventRules

if TYPE_CHECKING:
    from htsat.engines.protocol import ModelDescription
    from htsat.recognition.hearing import Hearing

_RULES = ("median_filter_s", "clip_threshold", "max_gap_s", "min_duration_s")
_NEVER = 1.0
"""A threshold that no probability exceeds."""


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    text_format = choose_format(args, EVENT_FORMATS)
    batch = Batch.found(args.inputs)
    model = load_model(args)
    require_classes(model)
    rules = choose_rules(args, model.description)
    files = None if args.scores is None else ScoreFiles(args.scores, batch)
    with results(args.output, text_format, batch.inputs) as write:

        def keep(item: Input, hearing: Hearing) -> None:
            write(item.name, DetectedRecording(item.title, hearing.duration_s, hearing.events))

        if files is None:
            hearings = model.hear_all(batch.sources, rules, jobs=args.jobs)
        else:
            hearings = files.hear_all(model, rules, args.jobs)
        return batch.run(hearings, keep, shows_progress=shows_progress(args.output))


def choose_rules(args: Namespace, model: ModelDescription) -> EventRules:
    """The model's own rules, of which options override single ones."""
    overridden = {name: getattr(args, name) for name in _RULES if getattr(args, name) is not None}
    if args.threshold is not None:
        overridden["thresholds"] = (args.threshold,) * len(model.labels)
    rules = replace(_kind(args, model.rules), **overridden)
    if args.classes is None:
        return rules
    wanted = split_classes(args.classes, model.labels)
    thresholds = tuple(
        threshold if label in wanted else _NEVER
        for label, threshold in zip(model.labels, rules.thresholds, strict=True)
    )
    return replace(rules, thresholds=thresholds)


def _kind(args: Namespace, rules: EventRules) -> EventRules:
    """The rules on frames or for boxes that were asked for; where the model has others, the usual ones."""
    if args.boxes is None or args.boxes == (rules.boxes is not None):
        return rules
    if args.boxes:
        return EventRules(rules.thresholds, min_duration_s=rules.min_duration_s, boxes=BoxRules())
    return replace(EventRules.usual(rules.thresholds), min_duration_s=rules.min_duration_s)


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
    add_rules(parser)
    add_text_output(parser, EVENT_FORMATS)
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="FOLDER",
        help="also write the scores of every frame after all rules but the thresholds, an .npz for each "
        "recording, for evaluate-events --scores",
    )
    add_model_options(parser)
    return parser


def add_rules(parser: Parser) -> None:
    """The options that override the rules of the model."""
    group = parser.add_argument_group("rules, in the order in which they apply (default: the model's own)")
    group.add_argument(
        "--threshold", type=probability, metavar="P", help="probability above which a class sounds"
    )
    group.add_argument("--classes", metavar="A,B", help="only these classes")
    _add_rule(group, "--median-filter", "median_filter_s", seconds, "smooth over so many seconds")
    _add_rule(
        group,
        "--clip-threshold",
        "clip_threshold",
        probability,
        "probability that the class must have in the clip around",
    )
    _add_rule(group, "--max-gap", "max_gap_s", seconds, "join events that are no farther apart")
    _add_rule(group, "--min-duration", "min_duration_s", seconds, "leave out shorter events")
    group.add_argument(
        "--boxes",
        action=BooleanOptionalAction,
        help="begin and end where the scores change most, whatever the threshold; without rules on frames "
        "(median filter, clip threshold, gap)",
    )


def _add_rule(group: _ArgumentGroup, option: str, name: str, kind: Callable[[str], float], does: str) -> None:
    metavar = "S" if kind is seconds else "P"
    group.add_argument(option, dest=name, type=kind, metavar=metavar, help=does)
