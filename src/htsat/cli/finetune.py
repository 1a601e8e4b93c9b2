"""`htsat finetune`: train a model on labelled recordings."""

from __future__ import annotations

from pathlib import Path

from htsat.cli.learning import (
    LearningParser,
    as_options,
    learn,
    read_presets,
    saved_settings,
    unasked_presets,
    with_files,
    with_underscores,
)

_DESCRIPTION = """Train a model on labelled recordings: a folder with one folder per class, one with label
files beside the recordings (Audacity, Raven, TextGrid, CSV, ...), or a manifest. RUN gets the model, a report
on held-out recordings, all settings, and what --resume needs to go on after an interruption. Without
settings, those that fit the recordings are taken, and the packaged model is the start."""
_EPILOG = "example: htsat finetune recordings/ -o runs/first"


def main(argv: list[str]) -> int:
    """Run the command."""
    words, parser = with_underscores(argv), _parser()
    asked = parser.parse_args(with_files(words))
    presets = () if asked.resume else unasked_presets(asked.source, words)
    chosen = saved_settings(asked.output) if asked.resume else read_presets(presets)
    args = parser.parse_args([*as_options(chosen), *with_files(words), "--data", str(asked.source)])
    learn(parser.instantiate(args), asked.output, goes_on=asked.resume, presets=presets)
    return 0


def _parser() -> LearningParser:
    parser = LearningParser("finetune", _DESCRIPTION, _EPILOG)
    parser.add_argument("source", type=Path, metavar="DATA", help="folder or manifest")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in RUN, with its own settings"
    )
    parser.add_settings()
    return parser
