"""`htsat evaluate-events`: compare lists of detected and of true events, whoever made them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import get_args

from htsat.cli.labelled import read_labels
from htsat.cli.listening import check_output_file
from htsat.cli.parser import Parser, probability, seconds, target
from htsat.evaluation.event_based import EventList, classes_of, compare_events
from htsat.evaluation.event_report import EventSettings, Overlaps, describe_events, write_event_report
from htsat.formats.dcase import read_durations, read_events
from htsat.formats.score_tables import ScoreFolder
from htsat.metrics.collar_based import Collar
from htsat.metrics.intersection_based import Tolerances


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    settings = _settings(args)
    if args.report is not None:
        read = (args.estimated, args.reference, args.durations)
        check_output_file(args.report, read)
    reference = EventList(str(args.reference), read_events(args.reference))
    labels = classes_of(reference) if args.labels is None else read_labels(args.labels)
    estimated = EventList(str(args.estimated), read_events(args.estimated))
    durations_s = read_durations(args.durations)
    scores = None if args.scores is None else ScoreFolder.of(args.scores, sorted(durations_s), labels)
    report = compare_events(reference, estimated, durations_s, labels, settings, scores)
    if args.report is not None:
        write_event_report(Path(args.report), report)
    print("\n".join(describe_events(report)))
    return 0


def _parser() -> Parser:
    parser = Parser(
        "evaluate-events",
        "Compare detected events with true ones: intersection, collar and segment F1 of every class.\n"
        "Tables with tabs, as the DCASE challenges have them and `htsat detect --format tsv` writes them:\n"
        "events in `filename onset offset event_label`, durations in `filename duration`, in seconds.",
        "htsat evaluate-events detected.tsv --reference ground_truth.tsv --durations durations.tsv "
        "--report report.json",
    )
    parser.add_argument("estimated", type=Path, metavar="ESTIMATED.tsv", help="the detected events")
    parser.add_argument("--reference", type=Path, required=True, metavar="REF.tsv", help="the true events")
    parser.add_argument(
        "--durations",
        type=Path,
        required=True,
        metavar="DUR.tsv",
        help="all recordings that count, also those without events, and how long they are",
    )
    parser.add_argument("--report", type=target, metavar="PATH.json", help="write all figures there")
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="FOLDER",
        help="scores of every frame, a .tsv or .npz named after each recording: PSDS1 and PSDS2 too",
    )
    parser.add_argument(
        "--labels",
        metavar="FILE|SET",
        help="the classes, one name a line, or a set by name (default: those of the reference)",
    )
    parser.add_argument(
        "--overlaps",
        choices=get_args(Overlaps),
        default="merge",
        help="events of one class that overlap: make them one, or count them as they are and list them "
        "in the report (default: merge)",
    )
    _add_parameters(parser)
    return parser


def _add_parameters(parser: Parser) -> None:
    """What counts as found."""
    tolerances, collar = Tolerances(), Collar()
    group = parser.add_argument_group("what counts as found")
    for name, default, share in (
        ("--dtc", tolerances.dtc, "intersection: share of a detection that must lie in events of its class"),
        ("--gtc", tolerances.gtc, "intersection: share of an event that such detections must cover"),
        ("--cttc", tolerances.cttc, "share of a false detection in another class that makes a cross trigger"),
        ("--offset-share", collar.offset_share, "offsets may also be so far off, as a share of the event"),
    ):
        group.add_argument(
            name, type=probability, default=default, metavar="X", help=f"{share} (default: {default:g})"
        )
    for name, length_s, what in (
        ("--collar", collar.collar_s, "how far onset and offset may be off"),
        ("--segment", EventSettings().segment_s, "length of a segment"),
    ):
        group.add_argument(
            name, type=seconds, default=length_s, metavar="S", help=f"{what} (default: {length_s:g} s)"
        )


def _settings(args: Namespace) -> EventSettings:
    return EventSettings(
        Tolerances(args.dtc, args.gtc, args.cttc),
        Collar(args.collar, args.offset_share),
        args.segment,
        args.overlaps,
    )
