"""`htsat tune`: choose the rules that make events of scores, on labelled recordings."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from htsat.checkpoints.resolve import resolve
from htsat.cli.labelled import clip_bar, read_labelled
from htsat.cli.listening import check_output_file, load_model, require_classes
from htsat.cli.main import EXIT_FAILED
from htsat.cli.parser import Parser, add_model_options, count, target, target_path
from htsat.cli.terminal import say
from htsat.data.manifest import MANIFEST_NAMES, Manifest
from htsat.errors import ConfigError
from htsat.evaluation.rule_search import Objective
from htsat.evaluation.tune_report import TuneReport, rules_of_class, write_tune_report
from htsat.evaluation.tuned_model import TuneSettings, tune_model
from htsat.evaluation.tuning import MIN_EVENTS, Kind
from htsat.pictures.canvas import check_picture
from htsat.pictures.reliability import draw_reliability

_DESCRIPTION = """Choose the rules that make events of scores, class by class, on recordings with strong
labels (when which class sounds), and write the model with them. With weak labels only thresholds can be
chosen: those at which recordings as a whole are tagged best. Take recordings that the model did
not learn from."""
_EXAMPLE = "htsat tune --model runs/first/model.safetensors --data data/dev -o tuned.safetensors"
_PICTURE = "reliability.png"
_METRICS = {
    "collar": "F1, collar",
    "intersection": "F1, intersection",
    "segment": "F1, 1 s segments",
    "psds1": "PSDS1",
    "psds2": "PSDS2",
    "tags": "F1 of tags",
}
_COLUMNS = {
    "threshold": "thresh",
    "median_filter_s": "median",
    "max_gap_s": "gap",
    "min_duration_s": "min",
    "clip_threshold": "clip",
    "step_s": "step",
    "max_dip": "dip",
    "max_relative_dip": "rel.dip",
}


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    source = resolve(args.model)
    manifest = read_labelled(args.data)
    if args.fold is not None:
        _, manifest = manifest.split_fold(args.fold)
    _check_outputs(args, source, manifest)
    model = load_model(args)
    require_classes(model)
    data = f"{args.data}" if args.fold is None else f"{args.data}, fold {args.fold}"
    report = tune_model(model, manifest, data, _settings(args), clip_bar)
    _write(args, source, report)
    for broken in report.broken:
        say(broken.reason)
    print("\n".join(_describe(args, report)))
    return EXIT_FAILED if report.broken else 0


def _parser() -> Parser:
    parser = Parser("tune", _DESCRIPTION, _EXAMPLE)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="MANIFEST|DATASET",
        help="development recordings: manifest, its folder, or a folder with label files",
    )
    parser.add_argument(
        "-o", "--output", type=target, required=True, metavar="MODEL", help="model file to write"
    )
    parser.add_argument("--fold", metavar="NAME", help="only the clips of this fold (default: all)")
    parser.add_argument(
        "--objective",
        choices=get_args(Objective),
        default="collar",
        help="what is to be as high as possible in every class (default: collar)",
    )
    parser.add_argument(
        "--kind",
        choices=[*get_args(Kind), "best"],
        default="best",
        help="rules on frames, boxes by change detection, or the better of the two (default: best)",
    )
    parser.add_argument(
        "--min-events",
        type=count,
        default=MIN_EVENTS,
        metavar="N",
        help=f"classes with fewer keep their rules (default: {MIN_EVENTS})",
    )
    parser.add_argument(
        "--calibrate", action="store_true", help="make probabilities mean what they say, before (multi-label)"
    )
    parser.add_argument(
        "--cross-validation",
        action="store_true",
        help="also choose on either half of the recordings and measure on the other: this does not flatter",
    )
    parser.add_argument(
        "--report", type=target, metavar="PATH.json", help="write all figures and rules there"
    )
    parser.add_argument(
        "--pictures",
        type=target_path,
        metavar="FOLDER",
        help=f"draw how probabilities fit, before and after ({_PICTURE})",
    )
    add_model_options(parser)
    return parser


def _settings(args: Namespace) -> TuneSettings:
    kinds = get_args(Kind) if args.kind == "best" else (args.kind,)
    return TuneSettings(args.objective, kinds, args.min_events, args.calibrate, args.cross_validation)


def _check_outputs(args: Namespace, source: Path, manifest: Manifest) -> None:
    """Refuse what cannot be written before anything is heard."""
    own = {args.data, *(args.data / name for name in MANIFEST_NAMES), source}
    labels = {clip.events for clip in manifest.clips if clip.events is not None}
    read = own | labels | {clip.path for clip in manifest.clips}
    for output in (args.output, args.report):
        if output is not None:
            check_output_file(output, read)
    if args.pictures is not None:
        check_picture(args.pictures / _PICTURE)
        if not args.calibrate:
            raise ConfigError("--pictures shows what calibration does: add --calibrate")
        if args.pictures.exists() and not args.pictures.is_dir():
            raise ConfigError(f"--pictures needs a folder, and {args.pictures} is a file")


def _write(args: Namespace, source: Path, report: TuneReport) -> None:
    from htsat.checkpoints.file import read_card
    from htsat.checkpoints.tuned import LogitScaling, scaled_layers, write_tuned

    data = f"{report.n_recordings} recordings of {report.data}"
    facts = {"rules": f"chosen by {_METRICS[report.objective]} on {data}"}
    scalings = {}
    if report.calibration is not None:
        tagging, frames = scaled_layers(read_card(source)[0])
        by_layer = {frames: report.calibration.frames, tagging: report.calibration.tagging}
        scalings = {
            layer: LogitScaling(scaling.scales, scaling.offsets)
            for layer, scaling in by_layer.items()
            if scaling is not None
        }
        facts["calibration"] = f"on {data}"
    write_tuned(Path(args.output), source, report.rules_after, facts, scalings)
    if args.report is not None:
        write_tune_report(Path(args.report), report)
    if args.pictures is not None and report.calibration is not None:
        before, after = report.calibration.before, report.calibration.after
        draw_reliability(args.pictures / _PICTURE, report.model, before, after, report.labels.names)


def _describe(args: Namespace, report: TuneReport) -> Iterator[str]:
    """The report for people, line by line."""
    yield from _conditions(args, report)
    yield from ["", *_figures(report)]
    yield from ["", *_classes(report)]
    yield from ["", *_remarks(report)]


def _conditions(args: Namespace, report: TuneReport) -> Iterator[str]:
    what = "tags" if report.objective == "tags" else "events"
    length = f"{report.n_recordings} recordings, {report.duration_s / 60:.1f} minutes"
    left_out = f", {report.n_weak} more without strong labels" if report.n_weak else ""
    failed = f", {len(report.broken)} more could not be heard" if report.broken else ""
    yield f"model      {report.model}"
    yield f"data       {report.data}: {length}, {report.n_events.sum()} {what}{left_out}{failed}"
    yield f"chosen by  {_METRICS[report.objective]}"
    if report.objective == "tags":
        yield "rules      thresholds only: there are no strong labels"
    else:
        boxes = report.rules_after.boxes is not None
        yield f"rules      {'boxes, by change detection' if boxes else 'on frames'}"
    yield f"written    {args.output}"


def _figures(report: TuneReport) -> Iterator[str]:
    stages = {"before": "before", "after": "after", "other_half": "other half"}
    columns = [figures.macro() for figures in report.stages.values()]
    yield f"{'mean of the classes':<20}" + "".join(f"{stages[stage]:>12}" for stage in report.stages)
    for name in columns[0]:
        yield f"{_METRICS[name]:<20}" + "".join(f"{_number(column[name]):>12}" for column in columns)
    if report.calibration is not None:
        both = (report.calibration.before, report.calibration.after)
        errors = "".join(f"{_number(of.equal_counts.expected_calibration_error):>12}" for of in both)
        yield f"{'calibration error':<20}{errors}"


def _classes(report: TuneReport) -> Iterator[str]:
    """What is chosen by in every class, and its rules."""
    before, after = (of.per_class()[report.objective] for of in (report.before, report.after))
    rules = [rules_of_class(report.rules_after, index) for index in range(len(report.labels))]
    if report.objective == "tags":
        rules = [{"threshold": of["threshold"]} for of in rules]
    yield " before   after  number  " + " ".join(f"{_COLUMNS[name]:>7}" for name in rules[0]) + "  class"
    present = [index for index, n in enumerate(report.n_events) if n]
    for index in sorted(present, key=lambda index: -report.n_events[index]):
        values = " ".join(f"{value:7.4g}" for value in rules[index].values())
        mark = "" if report.is_tuned[index] else " (as before)"
        figures = f"{_number(before[index]):>7} {_number(after[index]):>7} {report.n_events[index]:7d}"
        yield f"{figures}  {values}  {report.labels[index]}{mark}"


def _remarks(report: TuneReport) -> Iterator[str]:
    kept = [label for label, tuned in zip(report.labels, report.is_tuned, strict=True) if not tuned]
    if kept:
        some = ", ".join(kept[:5]) + (", ..." if len(kept) > 5 else "")
        yield f"too few to choose by, kept as they were: {len(kept)} of {len(report.labels)} classes ({some})"
    if report.across is None:
        yield "these figures flatter: rules were chosen on the same recordings (--cross-validation does not)"
    else:
        yield "'other half': each half was measured with rules chosen on the other; 'after' flatters"


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"
