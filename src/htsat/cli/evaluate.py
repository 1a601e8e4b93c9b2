"""`htsat evaluate`: measure how well a model hears labelled recordings."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from tqdm import tqdm

from htsat.bulk.inputs import Input
from htsat.cli.listening import check_output_file, load_model, require_classes, say
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import Parser, add_model_options, count
from htsat.data.manifest import Clip, Manifest, read_manifest
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import evaluate
from htsat.evaluation.report import Report, write_report
from htsat.metrics.summary import Interval

if TYPE_CHECKING:
    from htsat.loading import LoadedModel

_MANIFEST_NAME = "manifest.tsv"
_N_SHOWN = 8


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    path = args.data / _MANIFEST_NAME if args.data.is_dir() else args.data
    manifest = _held_out(read_manifest(path), args.fold)
    if args.report is not None:
        read = [path, *(clip.path for clip in manifest.clips)]
        check_output_file(args.report, [Input(file, PurePath(file.name)) for file in read])
    ensemble = Ensemble(_load_models(args), args.tta)
    data = f"{path}" if args.fold is None else f"{path}, fold {args.fold}"
    report = evaluate(ensemble, manifest, data, _progress)
    for broken in report.broken:
        say(broken.reason)
    if args.report is not None:
        write_report(Path(args.report), report)
    print("\n".join(_describe(report)))
    return EXIT_FAILED if report.broken else 0


def _parser() -> Parser:
    parser = Parser(
        "evaluate",
        "Measure how well a model hears labelled recordings, each heard as `htsat tag` hears it.",
        "htsat evaluate --model runs/first/model.safetensors --data data/esc50 --fold 4 --report report.json",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="MANIFEST|DATASET", help="manifest (.tsv), or its folder"
    )
    parser.add_argument("--fold", type=int, metavar="N", help="only the clips of this fold (default: all)")
    parser.add_argument(
        "--tta",
        type=count,
        default=1,
        metavar="N",
        help="hear each clip N times, shifted in a circle by 0, 100, 300, ... samples (default: 1)",
    )
    parser.add_argument("--report", metavar="PATH.json", help="write all figures there")
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


def _held_out(manifest: Manifest, fold: int | None) -> Manifest:
    return manifest if fold is None else manifest.split_fold(fold)[1]


def _load_models(args: Namespace) -> list[LoadedModel]:
    options = vars(args)
    models = [load_model(Namespace(**options | {"model": name})) for name in args.model or [None]]
    for model in models:
        require_classes(model)
    return models


def _progress(clips: Sequence[Clip]) -> Iterable[Clip]:
    return tqdm(clips, unit="clip", disable=not sys.stderr.isatty())


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
        place = f"{worst.clip.path}, from {worst.clip.start_s:g} s" if worst.clip.start_s else worst.clip.path
        heard = ", ".join(f"{tag.label} {tag.probability:.2f}" for tag in worst.tags)
        true = ", ".join(worst.clip.labels) or "(none)"
        yield f"{worst.cross_entropy:7.2f}  {place}: {true} -> {heard}"
