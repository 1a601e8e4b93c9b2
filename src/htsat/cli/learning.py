"""What the commands that train have in common: settings from presets, files and options, and the progress."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import reduce
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, Namespace, set_parsing_settings
from tqdm import tqdm

from htsat import audio
from htsat.cli.progress import describe_event, fixed
from htsat.cli.terminal import printable
from htsat.data.manifest import Clip, read_data
from htsat.errors import ConfigError, did_you_mean
from htsat.training.crossvalidation import CrossValidation, Spread, Summary, cross_validate
from htsat.training.defaults import fitting_presets
from htsat.training.experiment import Experiment
from htsat.training.outcome import EventFigures, Figures, Outcome
from htsat.training.parallel import is_first
from htsat.training.state import state_path
from htsat.training.train import EXPERIMENT_NAME, Watcher, resume, train

Settings = Mapping[str, Any]

_OWN_RECIPE = ("--preset", "--config", "--size", "--network")
"""Options with which a user chooses how a network learns."""

_DEEPEST = 30
BASE = "base"
"""Key of a file of settings that names the preset it begins with."""


class LearningParser(ArgumentParser):
    """A parser of all settings of an experiment.

    It answers a wrong option in one line, with the nearest right one.
    """

    def __init__(self, command: str, description: str, epilog: str) -> None:
        set_parsing_settings(docstring_parse_attribute_docstrings=True)
        for name in ("lightning.fabric", "lightning.pytorch"):  # what they tell is among the settings
            logging.getLogger(name).setLevel(logging.WARNING)
        super().__init__(prog=f"htsat {command}", description=description, epilog=epilog, allow_abbrev=False)

    def add_settings(self) -> None:
        """The settings, and files of them."""
        self.add_argument(
            "--config", action="config", help="YAML or JSON file with settings (--print_config shows all)"
        )
        self.add_argument(
            "--preset", help=f"settings that come with the package: {', '.join(preset_files())}"
        )
        self.add_class_arguments(Experiment)
        self.add_class_arguments(CrossValidation, "cross_validation")

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Refuse the arguments."""
        known = [option for action in self._actions for option in action.option_strings]
        wrong = next((word for word in message.split() if word.startswith("--")), "")
        hint = did_you_mean(wrong, known) if wrong not in known else ""
        print(printable(f"{self.prog}: {' '.join(message.split())}{hint}"), file=sys.stderr)
        sys.exit(2)


def experiment_of(args: Namespace) -> Experiment:
    """The experiment among the values of all options."""
    return Experiment(**{field.name: args[field.name] for field in fields(Experiment)})


def learn(args: Namespace, folder: Path, *, goes_on: bool, presets: Sequence[str] = ()) -> None:
    """Run the experiment of these options, or all runs of its cross-validation, and print what comes out.

    Presets that were taken unasked are named when the run begins.
    """
    experiment = experiment_of(args)
    n_epochs, plan = experiment.optimisation.epochs, args.cross_validation
    if plan.is_single or goes_on:
        run = resume if goes_on else train
        lines = describe_outcome(run(experiment, folder, watcher(n_epochs, presets=presets)))
    else:
        summary = cross_validate(experiment, plan, folder, lambda name: watcher(n_epochs, f"{name}  "))
        lines = describe_summary(summary, folder)
    if is_first():  # of several processes
        print("\n".join(lines))


def preset_files() -> dict[str, Path]:
    """The presets by name."""
    folder = resources.files("htsat") / "presets"
    paths = [Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}


def read_settings(path: Path) -> Settings:
    """A file of settings, on top of the preset that it names as its base.

    Raises:
        ConfigError: when it cannot be read, or the base does not exist.
    """
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_growth(path, text)
        settings = yaml.safe_load(text)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(
            f"{path}: cannot be read as settings ({' '.join(str(error).split()):.300})"
        ) from None
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: expected settings as `name: value`")
    base = settings.pop(BASE, None)
    if not isinstance(base, str | None):
        raise ConfigError(f"{path}: {BASE} must be the name of a preset, got {base!r:.60}")
    return settings if base is None else merged(read_preset(base), settings)


def _refuse_growth(path: Path, text: str) -> None:
    """Refuse what a few lines can make grow without bound: names for values, and values in values."""
    depth = 0
    for event in yaml.parse(text):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(f"{path}: has aliases (*name), which are not read")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ConfigError(f"{path}: has more than {_DEEPEST} values in values")


def read_preset(name: str) -> Settings:
    """The settings of a preset."""
    presets = preset_files()
    if name not in presets:
        raise ConfigError(
            f"no preset {name!r}{did_you_mean(name, presets)} (there are: {', '.join(presets)})"
        )
    return read_settings(presets[name])


def merged(below: Settings, above: Settings) -> Settings:
    """Settings in which those above count where both say something."""
    both = dict(below)
    for name, value in above.items():
        old = both.get(name)
        both[name] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def saved_settings(run: Path) -> Settings:
    """The settings that a run was started with; it must have a state to go on from."""
    state_path(run)
    return read_settings(run / EXPERIMENT_NAME)


def with_files(words: list[str]) -> list[str]:
    """Replace presets and files of settings by what they say, which later options override."""
    result: list[str] = []
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option not in ("--preset", "--config"):
            result.append(word)
            continue
        name = value if equals else next(rest, None)
        if name is None:
            result.append(word)
            continue
        settings = read_preset(name) if option == "--preset" else read_settings(Path(name))
        result += as_options(settings)
    return result


def as_options(settings: Settings) -> list[str]:
    """Settings as words of a command line."""
    return ["--config", yaml.safe_dump(dict(settings))]


def unasked_presets(data: Path | str, words: list[str]) -> tuple[str, ...]:
    """The presets that fit these recordings; none where the line chooses how the network learns.

    They are for networks that have learned to hear: not for one that begins from nothing.
    """
    begins_from_nothing = "--init_from null" in " ".join(words).replace("=", " ")
    if begins_from_nothing or any(word.startswith(_OWN_RECIPE) for word in words):
        return ()
    return fitting_presets(read_data(Path(data), audio.SUFFIXES))


def read_presets(names: Sequence[str]) -> Settings:
    """The settings of several presets, each on top of the one before."""
    return reduce(merged, map(read_preset, names), {})


def with_underscores(argv: list[str]) -> list[str]:
    """Let `--init-from` mean `--init_from`: the settings are fields of a class."""
    words = []
    for word in argv:
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            name = "--" + name[2:].replace("-", "_")
        words.append(name + equals + value)
    return words


def watcher(n_epochs: int, title: str = "", presets: Sequence[str] = ()) -> Watcher:
    """Shows a run of so many epochs on standard error, line by line."""

    def show(event: dict[str, object]) -> None:
        if presets and event["event"] == "data":
            names = " and ".join(map(repr, presets))
            print(f"settings of preset {names}, by the recordings", file=sys.stderr)
        for line in describe_event(event, n_epochs).splitlines():
            print(printable(f"{title}{line}"), file=sys.stderr)

    return Watcher(show, _reading)


def _reading(clips: Iterator[Clip]) -> Iterator[Clip]:
    return iter(tqdm(list(clips), desc="decoding", unit="clip", disable=not sys.stderr.isatty()))


def describe_outcome(outcome: Outcome) -> Iterator[str]:
    """What a run has come to, line by line; the last names the model."""
    for name, figures in (("held-out clips", outcome.held_out), ("the test fold", outcome.test)):
        if figures is not None:
            yield f"{_figures(figures)} on {name} ({figures.n_clips} clips)"
            if figures.events is not None:
                yield _event_figures(figures.events)
    yield str(outcome.model)


def _figures(figures: Figures) -> str:
    mean = f"mAP {fixed(figures.mean_average_precision, 3)}"
    return mean if figures.accuracy is None else f"accuracy {figures.accuracy:.3f}, {mean}"


def _event_figures(figures: EventFigures) -> str:
    scores = f"PSDS1 {figures.psds1:.3f}, PSDS2 {figures.psds2:.3f}"
    f_scores = f"collar F1 {figures.collar_f1:.3f}, intersection F1 {figures.intersection_f1:.3f}"
    return f"  events: {f_scores}, {scores} ({figures.n_clips} with strong labels)"


def describe_summary(summary: Summary, folder: Path) -> Iterator[str]:
    """All runs as a table, and their means."""
    width = max(len(result.run) for result in summary.results)
    yield f"{'run':<{width}}  clips  accuracy     mAP"
    for result in summary.results:
        accuracy = fixed(result.figures.accuracy, 4, 8)
        mean = fixed(result.figures.mean_average_precision, 4, 6)
        yield f"{result.run:<{width}}  {result.figures.n_clips:5d}  {accuracy}  {mean}"
    yield ""
    for name, spread in (("accuracy", summary.accuracy), ("mAP", summary.mean_average_precision)):
        if spread is not None:
            yield f"{name:<8}  {_spread(spread)}"
    yield str(folder)


def _spread(spread: Spread) -> str:
    """The mean and how far the runs lie apart."""
    deviations = {"parts": spread.between_parts, "seeds": spread.between_seeds}
    shown = [f"+- {value:.4f} between {name}" for name, value in deviations.items() if value is not None]
    return "  ".join([f"{spread.mean:.4f}", *shown])
