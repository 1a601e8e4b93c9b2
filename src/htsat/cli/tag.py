"""`htsat tag`: name what is heard in recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htsat.bulk.inputs import Input
from htsat.class_sets.groups import grouped_clip
from htsat.cli.class_options import ClassChoice, add_class_options, shown_classes
from htsat.cli.listening import (
    Batch,
    choose_format,
    load_plain_model,
    require_classes,
    results,
    shows_progress,
)
from htsat.cli.parser import Parser, add_inputs, add_model_options, add_text_output, count, probability
from htsat.formats import ALL_TAG_FORMATS, TaggedRecording

if TYPE_CHECKING:
    from htsat.recognition.hearing import Hearing


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    one_format = choose_format(args, ALL_TAG_FORMATS)
    batch = Batch.found(args.inputs)
    classes = ClassChoice(args)
    model = load_plain_model(args)
    require_classes(model)
    groups = classes.of(model.description)
    shown = shown_classes(args, groups.labels)
    with results(args.output, one_format, batch.inputs) as write:

        def keep(item: Input, hearing: Hearing) -> None:
            every = grouped_clip(hearing.clip_scores, groups).tags(min_probability=args.min_probability)
            tags = [tag for tag in every if tag.label in shown][: args.top]
            write(item.name, TaggedRecording(item.title, hearing.duration_s, tags))

        hearings = model.hear_all(batch.sources, jobs=args.jobs)
        return batch.run(hearings, keep, shows_progress=shows_progress(args.output))


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
    add_model_options(parser)
    return parser
