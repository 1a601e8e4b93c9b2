"""Options for the classes of results: other names, parents, and which of them to show."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from htsat.class_sets.groups import alone, composed
from htsat.class_sets.hierarchy import Hierarchy
from htsat.cli.parser import Parser
from htsat.errors import ConfigError, did_you_mean
from htsat.evaluation.class_map import ClassMap, Groups
from htsat.labels import LabelSet

if TYPE_CHECKING:
    from htsat.engines.protocol import ModelDescription


def add_class_options(parser: Parser) -> None:
    """Which classes results have, and what they are called."""
    group = parser.add_argument_group("classes")
    group.add_argument("--classes", metavar="A,B", help="only these classes")
    group.add_argument("--hide", metavar="A,B", help="all but these classes")
    group.add_argument(
        "--class-map",
        dest="mapped_by",
        metavar="MAP",
        help="desed, or a table (FILE.tsv) with columns class and target: your own names for classes, "
        "of several the most probable; what it does not list is left out",
    )
    group.add_argument(
        "--group",
        dest="grouped_by",
        metavar="TREE",
        help="audioset, or a table (FILE.tsv) with columns class and parent: a parent sounds while any class "
        "below it sounds",
    )


def shown_classes(args: Namespace, labels: LabelSet) -> set[str]:
    """The classes that `--classes` and `--hide` leave.

    Raises:
        ConfigError: when a class is unknown, with the nearest name, or none is left.
    """
    shown = set(labels) if args.classes is None else split_classes(args.classes, labels)
    if args.hide is not None:
        shown -= split_classes(args.hide, labels, "--hide")
    if not shown:
        raise ConfigError("--hide leaves no class to show")
    return shown


def split_classes(text: str, labels: LabelSet, option: str = "--classes") -> set[str]:
    """Class names between commas; a name may hold commas itself.

    Raises:
        ConfigError: when a class is unknown, with the nearest name.
    """
    wanted: set[str] = set()
    pieces = text.split(",")
    while pieces:
        heads = [(",".join(pieces[:n]).strip(), n) for n in range(len(pieces), 0, -1)]
        name, n_pieces = next((head for head in heads if head[0] in labels), heads[-1])
        if name not in labels:
            raise ConfigError(f"{option}: the model has no class {name!r}{did_you_mean(name, labels)}")
        wanted.add(name)
        pieces = pieces[n_pieces:]
    return wanted


class ClassChoice:
    """The classes that `--class-map` and `--group` make of a model's, in this order.

    Raises:
        DataError: when there is no such table, or it does not fit.
    """

    def __init__(self, args: Namespace) -> None:
        self._class_map = None if args.mapped_by is None else ClassMap.of(args.mapped_by)
        self._hierarchy = None if args.grouped_by is None else Hierarchy.of(args.grouped_by)

    def of(self, model: ModelDescription) -> Groups:
        """Groups of a model's classes; each of them alone, where nothing was asked for.

        Raises:
            DataError: when the model does not have the classes of a table.
        """
        groups = alone(model.labels)
        if self._class_map is not None:
            groups = self._class_map.grouped(model.labels, model.name)
        if self._hierarchy is not None:
            groups = composed(groups, self._hierarchy.groups(groups.labels))
        return groups
