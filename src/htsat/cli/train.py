"""`htsat train`: run an experiment, or many that differ in fold and seed."""

from __future__ import annotations

from pathlib import Path

from htsat.cli.learning import (
    LearningParser,
    Settings,
    as_options,
    learn,
    preset_files,
    read_preset,
    read_settings,
    saved_settings,
    with_files,
    with_underscores,
)
from htsat.errors import ConfigError

_DESCRIPTION = """Run an experiment: a preset of the package, or a file of settings. Options override both.
With cross_validation each fold is held out in turn, and the same command goes on after an interruption."""
_EPILOG = "example: htsat train esc50-scratch --data data/esc50 --valid-fold 4 -o runs/esc50"


def main(argv: list[str]) -> int:
    """Run the command."""
    parser, words = _parser(), with_underscores(argv)
    asked = parser.parse_args(with_files(words))
    if asked.resume is not None:
        chosen, folder = saved_settings(asked.resume), asked.resume
    elif asked.experiment is None:
        raise ConfigError(f"which experiment? give a preset ({', '.join(preset_files())}) or a file")
    else:
        chosen = _settings(asked.experiment)
        folder = asked.output or Path("runs") / Path(asked.experiment).stem
    args = parser.instantiate(parser.parse_args([*as_options(chosen), *with_files(words)]))
    learn(args, folder, goes_on=asked.resume is not None)
    return 0


def _parser() -> LearningParser:
    parser = LearningParser("train", _DESCRIPTION, _EPILOG)
    parser.add_argument(
        "experiment", nargs="?", metavar="PRESET|EXPERIMENT.yaml", help="preset, or file of settings"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="RUN", help="folder of the run (default: runs/PRESET)"
    )
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run, with its own settings")
    parser.add_settings()
    return parser


def _settings(name: str) -> Settings:
    """A preset by its name; what looks like a path is a file."""
    is_file = Path(name).suffix in (".yaml", ".yml", ".json")
    return read_settings(Path(name)) if is_file else read_preset(name)
