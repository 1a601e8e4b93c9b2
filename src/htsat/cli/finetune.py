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
from htsat.training.finetune import MODEL_NAME, Watcher, finetune

_DESCRIPTION = """Train a model on labelled recordings: a folder with one folder per class, or a
manifest (.tsv). RUN gets the resolved experiment.json, log.jsonl and model.safetensors."""
_EPILOG = "example: htsat finetune recordings/ -o runs/first --optimisation.epochs 20"


def main(argv: list[str]) -> int:
    """Run the command."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = _parser()
    args = parser.instantiate(parser.parse_args(_with_preset_file(_with_underscores(argv))))
    experiment = Experiment(**{field.name: args[field.name] for field in fields(Experiment)})
    evaluation = finetune(args.data, args.output, experiment, Watcher(_report, _decoding))
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
    parser = _Parser(prog="htsat finetune", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("data", type=Path, help="folder or manifest")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--config", action="config", help="YAML file with settings (--print_config shows all)"
    )
    parser.add_argument("--preset", help=f"settings that come with the package: {', '.join(_presets())}")
    parser.add_class_arguments(Experiment)
    return parser


def _presets() -> dict[str, str]:
    folder = resources.files("htsat") / "presets"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return {name.removesuffix(".yaml"): str(folder / name) for name in names}


def _with_preset_file(argv: list[str]) -> list[str]:
    """Replace a preset's name by the file of its settings, which later options override."""
    if "--preset" not in argv[:-1]:
        return argv
    place = argv.index("--preset")
    name, presets = argv[place + 1], _presets()
    if name not in presets:
        raise ConfigError(
            f"no preset {name!r}{did_you_mean(name, presets)} (there are: {', '.join(presets)})"
        )
    return [*argv[:place], "--config", presets[name], *argv[place + 2 :]]


def _with_underscores(argv: list[str]) -> list[str]:
    """Let `--init-from` mean `--init_from`: the settings are fields of a class."""
    words = []
    for word in argv:
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            name = "--" + name[2:].replace("-", "_")
        words.append(name + equals + value)
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
