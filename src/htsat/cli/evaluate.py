"""`htsat evaluate`: measure how well a model hears labelled recordings."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from tqdm import tqdm

from htsat.cli.evaluation_table import describe_evaluation
from htsat.cli.labelled import read_labelled
from htsat.cli.listening import check_output_file, load_model, require_classes
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import Parser, add_model_options, count, target, target_path
from htsat.cli.terminal import say
from htsat.data.manifest import MANIFEST_NAMES, Clip, Manifest
from htsat.errors import ConfigError
from htsat.evaluation.class_map import ClassMap
from htsat.evaluation.development import Choice, What, choose_rules
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import evaluate
from htsat.evaluation.report import Report, write_report
from htsat.evaluation.rule_search import Objective
from htsat.evaluation.rule_sets import NamedRules, read_rules
from htsat.pictures.canvas import check_picture
from htsat.pictures.classes import draw_classes
from htsat.pictures.clip import ClipEvents, draw_clip
from htsat.pictures.confusions import draw_confusions
from htsat.pictures.spectrogram import log_mel
from htsat.processes import Processes

if TYPE_CHECKING:
    from htsat.loading import LoadedModel

_N_PICTURES = 6
_PICTURES = {"confusions.png": draw_confusions, "classes.png": draw_classes}


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    manifest = read_labelled(args.data)
    development = None if args.tune_fold is None else _development(args, manifest)
    if args.fold is not None:
        _, manifest = manifest.split_fold(args.fold)
    _check_outputs(args, manifest)
    _check_rules(args, manifest)
    with Processes.from_environment() as processes:
        class_map = None if args.class_map is None else ClassMap.of(args.class_map)
        ensemble = Ensemble(_load_models(args), args.tta, class_map)
        rules = None if args.rules is None else read_rules(args.rules, ensemble.labels)
        if development is not None:
            rules = _choose(args, ensemble, development, rules, processes)
        report = evaluate(ensemble, manifest, _words(args, args.fold), _Progress(processes), processes, rules)
    # torchrun would end the first process because of the code of another one.
    return _conclude(args, ensemble, report) if processes.is_first else 0


def _words(args: Namespace, fold: str | None) -> str:
    """What clips are heard."""
    return f"{args.data}" if fold is None else f"{args.data}, fold {fold}"


def _development(args: Namespace, manifest: Manifest) -> Manifest:
    """The clips on which rules are chosen; never those that are measured."""
    if args.fold is None or args.fold == args.tune_fold:
        raise ConfigError(f"--tune-fold {args.tune_fold} needs another fold to measure on: --fold NAME")
    _, development = manifest.split_fold(args.tune_fold)
    return development


def _check_rules(args: Namespace, manifest: Manifest) -> None:
    """Refuse rules that nothing is detected by."""
    if any(clip.events is not None for clip in manifest.clips):
        return
    for option, value in (("--rules", args.rules), ("--tune-fold", args.tune_fold)):
        if value is not None:
            raise ConfigError(
                f"{option} is about events, and no clip of {_words(args, args.fold)} has strong labels"
            )


def _choose(
    args: Namespace,
    ensemble: Ensemble,
    development: Manifest,
    rules: NamedRules | None,
    processes: Processes,
) -> NamedRules:
    """Rules chosen on another fold."""
    choice = Choice(rules or ensemble.own_rules(), args.tune, args.objective)
    data = _words(args, args.tune_fold)
    chosen = choose_rules(ensemble, development, data, choice, _Progress(processes), processes)
    if processes.is_first:
        for broken in chosen.broken:
            say(f"not used to choose rules: {broken.reason}")
    return chosen.rules


def _check_outputs(args: Namespace, manifest: Manifest) -> None:
    """Refuse what cannot be written before anything is heard."""
    if args.report is not None:
        own = [args.data, *(args.data / name for name in MANIFEST_NAMES)]
        own += [Path(given) for given in (args.class_map, args.rules) if given is not None]
        strong = (clip.events for clip in manifest.clips if clip.events is not None)
        read = {*own, *strong, *(clip.path for clip in manifest.clips)}
        check_output_file(args.report, read)
    if args.pictures is not None:
        check_picture(args.pictures / next(iter(_PICTURES)))
        if args.pictures.exists() and not args.pictures.is_dir():
            raise ConfigError(f"--pictures needs a folder, and {args.pictures} is a file")


def _conclude(args: Namespace, ensemble: Ensemble, report: Report) -> int:
    """Say and write what was found; returns the exit code."""
    for broken in report.broken:
        say(broken.reason)
    if args.report is not None:
        write_report(Path(args.report), report)
    if args.pictures is not None:
        _draw(args.pictures, ensemble, report)
    print("\n".join(describe_evaluation(report)))
    return EXIT_FAILED if report.broken else 0


def _draw(folder: Path, ensemble: Ensemble, report: Report) -> None:
    for name, draw in _PICTURES.items():
        if report.task == "multi_class" or draw is not draw_confusions:
            draw(folder / name, report)
    if report.detection is None:
        return
    thresholds = report.detection.rules.rules.thresholds
    for number, worst in enumerate(report.detection.worst_clips[:_N_PICTURES], 1):
        title = f"{worst.clip.title}: {worst.n_missed} events missed, {worst.n_false} false"
        sound = log_mel(*ensemble.sound(worst.clip))
        scores = ensemble.hear(worst.clip).scores
        events = ClipEvents(worst.truth, worst.heard)
        draw_clip(folder / f"events_{number}.png", title, sound, scores, events, thresholds)


def _parser() -> Parser:
    parser = Parser(
        "evaluate",
        "Measure how well a model hears labelled recordings, each heard as `htsat tag` hears it.",
        "htsat evaluate --model runs/first/model.safetensors --data data/esc50 --fold 4 --report report.json",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="MANIFEST|DATASET",
        help="manifest (.tsv, .parquet), its folder, or a folder with one folder per class",
    )
    parser.add_argument("--fold", metavar="NAME", help="only the clips of this fold (default: all)")
    parser.add_argument(
        "--tta",
        type=count,
        default=1,
        metavar="N",
        help="hear each clip N times, shifted in a circle by 0, 100, 300, ... samples (default: 1)",
    )
    parser.add_argument("--report", type=target, metavar="PATH.json", help="write all figures there")
    parser.add_argument(
        "--pictures",
        type=target_path,
        metavar="FOLDER",
        help="draw the hardest classes, for multi-class models the confusion matrix, and with strong labels "
        f"the {_N_PICTURES} clips whose events are detected worst",
    )
    _add_event_options(parser)
    add_model_options(parser)
    parser.conflict_handler = "resolve"  # one --model becomes several
    parser.add_argument_group("which models").add_argument(
        "--model",
        action="append",
        metavar="M",
        help="name, model file or hf://owner/repo (default: the one inside); "
        "several times: the mean of their probabilities",
    )
    return parser


def _add_event_options(parser: Parser) -> None:
    """Which classes are meant, and what makes events of their scores."""
    group = parser.add_argument_group("classes and events")
    group.add_argument(
        "--class-map",
        metavar="desed|FILE.tsv",
        help="hear a model's classes as other ones: a table of class and target; of several classes the "
        "largest score counts",
    )
    group.add_argument(
        "--rules",
        metavar="desed-paper|FILE.json",
        help="the rules that make events of scores (default: those of the first model)",
    )
    group.add_argument("--tune-fold", metavar="NAME", help="choose the rules on this other fold, before")
    group.add_argument(
        "--tune",
        choices=get_args(What),
        default="rules",
        help="what is chosen there: all that `htsat tune` chooses, or thresholds only (default: rules)",
    )
    group.add_argument(
        "--objective",
        choices=get_args(Objective),
        default="collar",
        help="what is to be as high as possible there in every class (default: collar)",
    )


def _load_models(args: Namespace) -> list[LoadedModel]:
    options = vars(args)
    models = [load_model(Namespace(**options | {"model": name})) for name in args.model or [None]]
    for model in models:
        require_classes(model)
    return models


class _Progress:
    """A bar at the terminal, for what the first process hears."""

    def __init__(self, processes: Processes) -> None:
        self._is_hidden = not (processes.is_first and sys.stderr.isatty())

    def __call__(self, clips: Sequence[Clip]) -> Iterable[Clip]:
        return tqdm(clips, unit="clip", disable=self._is_hidden)
