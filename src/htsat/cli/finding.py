"""What `htsat report` and `htsat segments` share: events that are heard now, or were found before."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from htsat.bulk.inputs import FILES_ALONE
from htsat.cli.detect import add_rules, choose_rules
from htsat.cli.listening import Batch, load_model, require_classes
from htsat.cli.parser import Parser, add_inputs, add_model_options
from htsat.errors import ConfigError, HtsatError
from htsat.reports.found import EventsFile, Found, heard
from htsat.rules import EventRules, PerClass

_OF_LISTENING = {
    "model": "--model",
    "threshold": "--threshold",
    "classes": "--classes",
    "hide": "--hide",
    "mapped_by": "--class-map",
    "grouped_by": "--group",
    "median_filter_s": "--median-filter",
    "clip_threshold": "--clip-threshold",
    "max_gap_s": "--max-gap",
    "min_duration_s": "--min-duration",
    "boxes": "--boxes",
    "gate": "--gate",
}
"""Options that say how to listen, and mean nothing where nothing is heard."""


class Finding(NamedTuple):
    """The events of each recording in turn, and where they come from in words: names and values."""

    results: Generator[Found | HtsatError, None, None]
    origin: list[tuple[str, str]]


def add_finding(parser: Parser) -> None:
    """Recordings, and what is known of them or how to listen to them."""
    add_inputs(parser)
    parser.add_argument(
        "--events",
        type=Path,
        metavar="FILE",
        help="events found before (of htsat detect -o, or any labels): nothing is heard again",
    )
    add_rules(parser)
    add_model_options(parser)


def find(args: Namespace, batch: Batch) -> Finding:
    """Events of all recordings of a batch.

    Raises:
        ConfigError: when an option does not fit, or a recording is standard input.
        DataError: when the file of events does not fit.
    """
    if any(item.path is None for item in batch.inputs):
        raise ConfigError(f"recordings are read more than once here: {FILES_ALONE}")
    if args.events is not None:
        _refuse_listening(args)
        return Finding(EventsFile(args.events).found(batch.inputs), [("events", str(args.events))])
    model = load_model(args)
    require_classes(model)
    rules = choose_rules(args, model.description)
    origin = [
        ("model", f"{model.description.name}, {len(model.description.labels)} classes"),
        ("engine", _engine_name(model.engine)),
        *_words_of(rules),
    ]
    return Finding(heard(model.hear_all(batch.sources, rules, jobs=args.jobs)), origin)


def _refuse_listening(args: Namespace) -> None:
    for name, option in _OF_LISTENING.items():
        if getattr(args, name) is not None:
            raise ConfigError(f"{option} is about listening, and --events takes what was found before")


def _engine_name(engine: object) -> str:
    """What runs the network, inside of what prepares its clips."""
    while hasattr(engine, "engine"):
        engine = engine.engine
    return type(engine).__name__.removesuffix("Engine").lower()


def _words_of(rules: EventRules) -> list[tuple[str, str]]:
    """The rules that are on."""
    values: list[tuple[str, PerClass, str]] = [
        ("threshold", rules.thresholds, ""),
        ("median filter", rules.median_filter_s, " s"),
        ("clip threshold", rules.clip_threshold, ""),
        ("joined over gaps of", rules.max_gap_s, " s"),
        ("shortest event", rules.min_duration_s, " s"),
    ]
    words = [(name, f"{_span(value)}{unit}") for name, value, unit in values if value]
    return [*words, ("boxes", "by changes of the scores")] if rules.boxes is not None else words


def _span(value: PerClass) -> str:
    """One number, or from the smallest to the largest where classes differ; 1 switches a class off."""
    numbers = [number for number in value if number < 1] if isinstance(value, tuple) else [value]
    low, high = (min(numbers), max(numbers)) if numbers else (1.0, 1.0)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}, by class"
