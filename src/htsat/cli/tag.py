"""`htsat tag`: name what is heard in recordings."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Generator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from htsat.bulk.inputs import Input
from htsat.bulk.layouts import layout_of
from htsat.bulk.run import Work
from htsat.class_sets.groups import grouped_clip
from htsat.cli.bulk_cluster import Recipe, for_driver, runner_of
from htsat.cli.bulk_run import add_bulk_options, each, is_bulk, run_bulk
from htsat.cli.class_options import ClassChoice, add_class_options, shown_classes
from htsat.cli.listening import (
    Batch,
    choose_format,
    format_name,
    load_plain_model,
    require_classes,
    results,
    shows_progress,
)
from htsat.cli.parser import Parser, add_inputs, add_model_options, add_text_output, count, probability
from htsat.errors import HtsatError
from htsat.formats import ALL_TAG_FORMATS, TaggedRecording

if TYPE_CHECKING:
    from htsat.loading import LoadedModel
    from htsat.recognition.hearing import Hearing
    from htsat.recognition.pipeline import Source


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    one_format = choose_format(args, ALL_TAG_FORMATS)
    batch = None if is_bulk(args) else Batch.found(args.inputs, args.output)
    model = load_plain_model(for_driver(args))
    require_classes(model)
    work = work_of(args, model)
    if batch is None:
        runner = runner_of(args, model, Recipe(load_plain_model, work_of))
        return run_bulk(args, model, work, format_name(one_format, ALL_TAG_FORMATS), runner)
    with results(args.output, one_format, batch.inputs) as write:
        return batch.run(
            work.hear(batch.inputs),
            lambda item, tagged: write(item.name, tagged),
            shows_progress=shows_progress(args.output),
        )


def work_of(args: Namespace, model: LoadedModel) -> Work[TaggedRecording]:
    """What is done with recordings, by whichever process."""
    groups = ClassChoice(args).of(model.description)
    shown = shown_classes(args, groups.labels)

    def hear(sources: Sequence[Source]) -> Generator[Hearing | HtsatError, None, None]:
        return model.hear_all(sources, jobs=args.jobs)

    def tagged(item: Input, hearing: Hearing) -> TaggedRecording:
        every = grouped_clip(hearing.clip_scores, groups).tags(min_probability=args.min_probability)
        tags = [tag for tag in every if tag.label in shown][: args.top]
        return TaggedRecording(item.title, hearing.duration_s, tags)

    layout = layout_of(choose_format(args, ALL_TAG_FORMATS))
    return Work(each(hear, tagged), attrgetter("duration_s"), layout)


def _parser() -> Parser:
    parser = Parser(
        "tag",
        "Name what is heard in recordings, the most probable class first.",
        "htsat tag street.flac recordings/ --top 3 --format csv -o tags.csv",
    )
    add_inputs(parser)
    parser.add_argument(
        "--top", type=count, default=5, metavar="N", help="most classes per recording (default: 5)"
    )
    parser.add_argument(
        "--min-probability",
        type=probability,
        default=0.0,
        metavar="P",
        help="leave out what is less probable",
    )
    add_class_options(parser)
    add_text_output(parser, ALL_TAG_FORMATS)
    add_bulk_options(parser)
    add_model_options(parser)
    return parser
