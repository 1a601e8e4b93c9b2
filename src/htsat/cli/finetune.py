"""`htsat finetune`: train a model on labelled recordings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import NoReturn

from jsonargparse import ArgumentParser, set_parsing_settings
from tqdm import tqdm

from htsat.data.manifest import Clip
from htsat.errors import ConfigError, did_you_mean
from htsat.training.experiment import Experiment
from htsat.training.finetune import EXPERIMENT_NAME, MODEL_NAME, Watcher, finetune, resume
from htsat.training.state import state_path

_DESCRIPTION = """Train a model on labelled recordings: a folder with one folder per class, or a
manifest (.tsv). RUN gets the resolved experiment.json, log.jsonl, model.safetensors, and state.ckpt, from
which --resume goes on after an interruption."""
_EPILOG = "example: htsat finetune recordings/ -o runs/first --optimisation.epochs 20"


def main(argv: list[str]) -> int:
    """Run the command."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser, words = _parser(), _with_preset_files(_with_underscores(argv))
    args = parser.parse_args(words)
    if args.resume:
        args = parser.parse_args([*_saved_settings(args.output), *words])
    args = parser.instantiate(args)
    experiment = Experiment(**{field.name: args[field.name] for field in fields(Experiment)})
    learn = resume if args.resume else finetune
    evaluation = learn(args.data, args.output, experiment, Watcher(_report, _decoding))
    if evaluation is not None:
        mean = evaluation.mean_average_precision
        print(f"accuracy {evaluation.accuracy:.3f}, mAP {mean:.3f} on held-out clips")
    print(args.output / MODEL_NAME)
    return 0


class _Parser(ArgumentParser):
    """Answers a wrong option in one line, with the nearest right one."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        known = [option for action in self._actions for option in action.option_strings]
        wrong = next((word for word in message.split() if word.startswith("--")), "")
        hint = did_you_mean(wrong, known) if wrong not in known else ""
        print(f"htsat finetune: {' '.join(message.split())}{hint}", file=sys.stderr)
        sys.exit(2)


def _parser() -> ArgumentParser:
    parser = _Parser(prog="htsat finetune", description=_DESCRIPTION, epilog=_EPILOG, allow_abbrev=False)
    parser.add_argument("data", type=Path, help="folder or manifest")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in RUN, with its own settings"
    )
    parser.add_argument(
        "--config", action="config", help="YAML file with settings (--print_config shows all)"
    )
    parser.add_argument("--preset", help=f"settings that come with the package: {', '.join(_presets())}")
    parser.add_class_arguments(Experiment)
    return parser


def _saved_settings(run: Path) -> list[str]:
    """The options that give a run the settings it was started with; others on the line are then changes."""
    state_path(run)
    return ["--config", str(run / EXPERIMENT_NAME)]


def _presets() -> dict[str, str]:
    folder = resources.files("htsat") / "presets"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return {name.removesuffix(".yaml"): str(folder / name) for name in names}


def _with_preset_files(words: list[str]) -> list[str]:
    """Replace the names of presets by the files of their settings, which later options override."""
    if "--preset" not in words[:-1]:
        return words
    place = words.index("--preset")
    name, presets = words[place + 1], _presets()
    if name not in presets:
        raise ConfigError(
            f"no preset {name!r}{did_you_mean(name, presets)} (there are: {', '.join(presets)})"
        )
    return [*words[:place], "--config", presets[name], *_with_preset_files(words[place + 2 :])]


def _with_underscores(argv: list[str]) -> list[str]:
    """Let `--init-from` mean `--init_from`: the settings are fields of a class."""
    words = []
    for word in argv:
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            name = "--" + name[2:].replace("-", "_")
        words += [name, value] if (name, equals) == ("--preset", "=") else [name + equals + value]
    return words


def _report(event: dict[str, object]) -> None:
    """Show an event of the run on one line; broken recordings each on their own."""
    for name, value in event.items():
        if isinstance(value, list):
            print(
                *(f"htsat: {name}, left out: {reason}\n" for reason in value), sep="", end="", file=sys.stderr
            )
    shown = (f"{name} {_short(value)}" for name, value in event.items() if not isinstance(value, list))
    print("  ".join(shown), file=sys.stderr)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _decoding(clips: Iterator[Clip]) -> Iterator[Clip]:
    return iter(tqdm(list(clips), desc="decoding", unit="clip", disable=not sys.stderr.isatty()))
