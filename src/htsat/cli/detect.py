"""`htsat detect`: find when each sound begins and ends."""

from __future__ import annotations

from argparse import BooleanOptionalAction, Namespace, _ArgumentGroup
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from htsat.bulk.inputs import Input
from htsat.bulk.layouts import OwnFile, accompanied, check_own_files, layout_of
from htsat.bulk.run import Work
from htsat.cli.bulk_cluster import Recipe, for_driver, runner_of
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
from htsat.cli.parser import (
    Parser,
    add_inputs,
    add_model_options,
    add_text_output,
    probability,
    seconds,
    target_path,
)
from htsat.cli.plot_files import PlotFiles
from htsat.cli.score_files import Scored, ScoreFiles, hear_scored
from htsat.errors import HtsatError
from htsat.formats import ALL_EVENT_FORMATS, DetectedRecording
from htsat.rules import BoxRules, EventRules
from htsat.scores import FrequencyBand

if TYPE_CHECKING:
    from htsat.engines.protocol import ModelDescription
    from htsat.loading import LoadedModel
    from htsat.recognition.hearing import Hearing
    from htsat.recognition.pipeline import Source

_RULES = ("median_filter_s", "clip_threshold", "max_gap_s", "min_duration_s")
_NEVER = 1.0
"""A threshold that no probability exceeds."""

Heard = TypeVar("Heard")


class _Listening(NamedTuple, Generic[Heard]):
    """How recordings are heard, what of that is written, and what files each of them gets beside."""

    hear: Callable[[Sequence[Source]], Generator[Heard | HtsatError, None, None]]
    describe: Callable[[Input, Heard], DetectedRecording]
    duration_s: Callable[[Heard], float]
    files: Sequence[OwnFile[Heard]] = ()


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    one_format = choose_format(args, ALL_EVENT_FORMATS)
    batch = None if is_bulk(args) else Batch.found(args.inputs, args.output)
    model = load_model(for_driver(args))
    require_classes(model)
    if batch is None:
        runner = runner_of(args, model, Recipe(load_model, work_of))
        name = format_name(one_format, ALL_EVENT_FORMATS)
        return run_bulk(args, model, work_of(args, model), name, runner)
    listening = _listening_of(args, model, len(batch.inputs))
    check_own_files(listening.files, batch.inputs)
    with results(args.output, one_format, batch.inputs) as write_events:

        def write(item: Input, found: Any) -> None:
            for file in listening.files:
                file.write(file.path_of(item), item, found)
            write_events(item.name, listening.describe(item, found))

        return batch.run(listening.hear(batch.sources), write, shows_progress=shows_progress(args.output))


def work_of(args: Namespace, model: LoadedModel) -> Work[Any]:
    """What is done with recordings, by whichever process."""
    listening = _listening_of(args, model, None)
    events = layout_of(choose_format(args, ALL_EVENT_FORMATS))
    layout = accompanied(events, listening.describe, listening.files)
    return Work(each(listening.hear, lambda _, found: found), listening.duration_s, layout)


def _listening_of(args: Namespace, model: LoadedModel, n_recordings: int | None) -> _Listening[Any]:
    rules = choose_rules(args, model.description)
    files = _own_files(args, rules, n_recordings)
    return _with_scores(args, model, rules, files) if files else _events_alone(args, model, rules)


def _events_alone(args: Namespace, model: LoadedModel, rules: EventRules) -> _Listening[Hearing]:
    """In memory that does not grow with the length of recordings."""
    return _Listening(
        lambda sources: model.hear_all(sources, rules, jobs=args.jobs),
        partial(_detected, model.description),
        attrgetter("duration_s"),
    )


def _with_scores(
    args: Namespace, model: LoadedModel, rules: EventRules, files: Sequence[OwnFile[Scored]]
) -> _Listening[Scored]:
    return _Listening(
        lambda sources: hear_scored(model, sources, rules, args.jobs),
        lambda item, scored: _detected(model.description, item, scored.hearing),
        attrgetter("hearing.duration_s"),
        files,
    )


def _detected(model: ModelDescription, item: Input, hearing: Hearing) -> DetectedRecording:
    heard = FrequencyBand(0.0, model.sample_rate / 2)
    return DetectedRecording(item.title, hearing.duration_s, hearing.events, heard)


def _own_files(args: Namespace, rules: EventRules, n_recordings: int | None) -> list[OwnFile[Scored]]:
    """What else is made of the scores of each recording."""
    files: list[OwnFile[Scored]] = [] if args.scores is None else [ScoreFiles(args.scores, rules)]
    if args.plot is not None:
        files.append(PlotFiles(args.plot, rules, n_recordings))
    return files


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
        type=_absolute,
        metavar="FOLDER",
        help="also write the scores of every frame after all rules but the thresholds, an .npz for each "
        "recording, for evaluate-events --scores",
    )
    parser.add_argument(
        "--plot",
        type=_absolute,
        metavar="PATH",
        help="also draw each recording: a folder with a .png for each, or one .png, .svg or .html",
    )
    add_bulk_options(parser)
    add_model_options(parser)
    return parser


def _absolute(text: str) -> Path:
    """A path that means the same wherever a call is made."""
    return target_path(text).absolute()


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
