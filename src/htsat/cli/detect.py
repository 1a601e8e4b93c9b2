"""`htsat detect`: find when each sound begins and ends."""

from __future__ import annotations

from argparse import BooleanOptionalAction, Namespace, _ArgumentGroup
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from htsat.bulk.inputs import Input
from htsat.bulk.layouts import layout_of
from htsat.bulk.run import Work
from htsat.cli.bulk_run import add_bulk_options, each, is_bulk, run_bulk
from htsat.cli.class_options import add_class_options, shown_classes
from htsat.cli.listening import (
    Batch,
    choose_format,
    format_name,
    load_model,
    require_classes,
    results,
    shows_progress,
)
from htsat.cli.parser import Parser, add_inputs, add_model_options, add_text_output, probability, seconds
from htsat.cli.plot_files import PlotTaker
from htsat.cli.score_files import ScoreFiles, Taker, hear_with_scores
from htsat.errors import ConfigError, HtsatError
from htsat.formats import ALL_EVENT_FORMATS, DetectedRecording
from htsat.rules import BoxRules, EventRules
from htsat.scores import FrequencyBand

if TYPE_CHECKING:
    from htsat.engines.protocol import ModelDescription
    from htsat.recognition.hearing import Hearing
    from htsat.recognition.pipeline import Source

_RULES = ("median_filter_s", "clip_threshold", "max_gap_s", "min_duration_s")
_NEVER = 1.0
"""A threshold that no probability exceeds."""


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    one_format = choose_format(args, ALL_EVENT_FORMATS)
    batch = None if is_bulk(args) else Batch.found(args.inputs)
    if batch is None and (args.scores is not None or args.plot is not None):
        raise ConfigError("--scores and --plot do not go with results in parts (--resume, --retry, --shard)")
    model = load_model(args)
    require_classes(model)
    rules = choose_rules(args, model.description)
    heard = FrequencyBand(0.0, model.description.sample_rate / 2)

    def detected(item: Input, hearing: Hearing) -> DetectedRecording:
        return DetectedRecording(item.title, hearing.duration_s, hearing.events, heard)

    def hear(sources: Sequence[Source]) -> Generator[Hearing | HtsatError, None, None]:
        return model.hear_all(sources, rules, jobs=args.jobs)

    if batch is None:
        work = Work(each(hear, detected), attrgetter("duration_s"), layout_of(one_format))
        return run_bulk(args, model, work, format_name(one_format, ALL_EVENT_FORMATS))
    takers = _takers(args, batch)
    with results(args.output, one_format, batch.inputs) as write:
        return batch.run(
            hear_with_scores(model, batch, rules, takers, args.jobs) if takers else hear(batch.sources),
            lambda item, hearing: write(item.name, detected(item, hearing)),
            shows_progress=shows_progress(args.output),
        )


def _takers(args: Namespace, batch: Batch) -> list[Taker]:
    """What else is made of the scores of a recording."""
    takers: list[Taker] = [] if args.scores is None else [ScoreFiles(args.scores, batch).take]
    return takers if args.plot is None else [*takers, PlotTaker(args.plot, batch).take]


def choose_rules(args: Namespace, model: ModelDescription) -> EventRules:
    """The model's own rules, of which options override single ones."""
    overridden = {name: getattr(args, name) for name in _RULES if getattr(args, name) is not None}
    if args.threshold is not None:
        overridden["thresholds"] = (args.threshold,) * len(model.labels)
    rules = replace(_kind(args, model.rules), **overridden)
    shown = shown_classes(args, model.labels)
    thresholds = tuple(
        threshold if label in shown else _NEVER
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


def _parser() -> Parser:
    parser = Parser(
        "detect",
        "Find when each sound begins and ends.",
        "htsat detect street.flac --classes 'Dog,Siren' --min-duration 0.5 --format audacity -o street.txt",
    )
    add_inputs(parser)
    add_rules(parser)
    add_text_output(parser, ALL_EVENT_FORMATS)
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="FOLDER",
        help="also write the scores of every frame after all rules but the thresholds, an .npz for each "
        "recording, for evaluate-events --scores",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="PATH",
        help="also draw each recording: a folder with a .png for each, or one .png, .svg or .html",
    )
    add_bulk_options(parser)
    add_model_options(parser)
    return parser


def add_rules(parser: Parser) -> None:
    """The options for the classes of the model, and those that override its rules."""
    add_class_options(parser)
    group = parser.add_argument_group("rules, in the order in which they apply (default: the model's own)")
    group.add_argument(
        "--threshold", type=probability, metavar="P", help="probability above which a class sounds"
    )
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
