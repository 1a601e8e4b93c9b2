"""`htsat evaluate`: measure how well a model hears labelled recordings."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from tqdm import tqdm

from htsat.audio import SUFFIXES
from htsat.bulk.inputs import Input
from htsat.cli.listening import check_output_file, load_model, require_classes, say
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import Parser, add_model_options, count
from htsat.data.manifest import MANIFEST_NAMES, Clip, Manifest, read_data
from htsat.errors import ConfigError
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import evaluate
from htsat.evaluation.report import Report, write_report
from htsat.metrics.summary import Interval
from htsat.pictures.canvas import check_picture
from htsat.pictures.classes import draw_classes
from htsat.pictures.confusions import draw_confusions
from htsat.processes import Processes

if TYPE_CHECKING:
    from htsat.loading import LoadedModel

_N_SHOWN = 8
_PICTURES = {"confusions.png": draw_confusions, "classes.png": draw_classes}


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    manifest = read_data(args.data, SUFFIXES)
    if args.fold is not None:
        _, manifest = manifest.split_fold(args.fold)
    _check_outputs(args, manifest)
    with Processes.from_environment() as processes:
        ensemble = Ensemble(_load_models(args), args.tta)
        data = f"{args.data}" if args.fold is None else f"{args.data}, fold {args.fold}"
        report = evaluate(ensemble, manifest, data, _Progress(processes), processes)
    # torchrun would end the first process because of the code of another one.
    return _conclude(args, report) if processes.is_first else 0


def _check_outputs(args: Namespace, manifest: Manifest) -> None:
    """Refuse what cannot be written before anything is heard."""
    if args.report is not None:
        own = [args.data, *(args.data / name for name in MANIFEST_NAMES)]
        read = {*own, *(clip.path for clip in manifest.clips)}
        check_output_file(args.report, [Input(file, PurePath(file.name)) for file in read])
    if args.pictures is not None:
        check_picture(args.pictures / next(iter(_PICTURES)))
        if args.pictures.exists() and not args.pictures.is_dir():
            raise ConfigError(f"--pictures needs a folder, and {args.pictures} is a file")


def _conclude(args: Namespace, report: Report) -> int:
    """Say and write what was found; returns the exit code."""
    for broken in report.broken:
        say(broken.reason)
    if args.report is not None:
        write_report(Path(args.report), report)
    if args.pictures is not None:
        for name, draw in _PICTURES.items():
            if report.task == "multi_class" or draw is not draw_confusions:
                draw(args.pictures / name, report)
    print("\n".join(_describe(report)))
    return EXIT_FAILED if report.broken else 0


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
    parser.add_argument("--report", metavar="PATH.json", help="write all figures there")
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="draw the hardest classes and, for multi-class models, the confusion matrix",
    )
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


def _describe(report: Report) -> Iterator[str]:
    """The report for people, line by line."""
    yield from _conditions(report)
    yield from ["", *_figures(report)]
    yield from ["", *_hardest_classes(report)]
    if report.confusions:
        yield from ["", *_most_frequent_confusions(report)]
    yield from ["", *_worst_clips(report)]


def _conditions(report: Report) -> Iterator[str]:
    n_without = report.n_classes_without_positives
    left_out = f" ({n_without} without positives, left out of the means)" if n_without else ""
    failed = f" ({len(report.broken)} more could not be heard)" if report.broken else ""
    yield f"model    {' + '.join(report.models)}"
    yield f"data     {report.data}"
    yield f"clips    {report.n_clips}{failed}, list sha256 {report.clip_list_sha256}"
    yield f"task     {report.task.replace('_', '-')}, {len(report.per_class)} classes{left_out}"
    yield f"passes   {report.n_passes}{'' if report.n_passes > 1 else ' (no test-time shifts)'}"


def _figures(report: Report) -> Iterator[str]:
    yield "            value   95% interval"
    figures = zip(("accuracy", "mAP", "mAUC", "d'"), report.summary, report.interval_95, strict=True)
    for name, value, interval in figures:
        if value is not None and interval is not None:
            yield f"{name:<9} {value:7.4f}   {_bounds(interval)}"


def _bounds(interval: Interval) -> str:
    return f"{interval.low:.4f} to {interval.high:.4f}"


def _hardest_classes(report: Report) -> Iterator[str]:
    yield "hardest classes"
    yield "     AP     AUC  clips  class"
    heard = [entry for entry in report.per_class if entry.n_positives]
    for entry in sorted(heard, key=lambda entry: entry.average_precision)[:_N_SHOWN]:
        numbers = f"{entry.average_precision:7.4f} {entry.roc_auc:7.4f} {entry.n_positives:6d}"
        yield f"{numbers}  {entry.label}"


def _most_frequent_confusions(report: Report) -> Iterator[str]:
    yield "most frequent confusions"
    yield "  clips  true -> heard"
    for confusion in report.confusions[:_N_SHOWN]:
        yield f"{confusion.n_clips:7d}  {confusion.true} -> {confusion.heard}"


def _worst_clips(report: Report) -> Iterator[str]:
    yield "worst clips (by cross-entropy)"
    for worst in report.worst_clips[:_N_SHOWN]:
        clip = worst.clip
        place = f"{clip.title}, from {clip.start_s:g} s" if clip.start_s else clip.title
        heard = ", ".join(f"{tag.label} {tag.probability:.2f}" for tag in worst.tags)
        true = ", ".join(clip.labels) or "(none)"
        yield f"{worst.cross_entropy:7.2f}  {place}: {true} -> {heard}"
