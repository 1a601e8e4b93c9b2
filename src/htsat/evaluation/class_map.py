"""Classes of a model heard as other, broader ones: the 527 of AudioSet as the ten of DESED.

Any class of a group stands for it: its score is the largest of theirs, so that it is above a threshold where
any of them is (official behaviour 12).

K classes of the model, G groups.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from htsat.errors import ConfigError, DataError, did_you_mean
from htsat.labels import LabelSet
from htsat.rules import BoxRule, BoxRules, EventRules

Values = TypeVar("Values", np.float32, np.float64)


@dataclass(frozen=True)
class ClassMap:
    """Groups of a model's classes; `members` are those of each target.

    `source` says in messages where it comes from. A class may belong to several targets.
    """

    source: str
    targets: LabelSet
    members: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, source: str) -> ClassMap:
        """A map that comes with the package, by its name, or a file of columns `class` and `target`.

        `desed`: classes of AudioSet for the ten of DESED, as in the paper.

        Raises:
            DataError: when there is no such map, or naming the line that does not fit.
        """
        if Path(source).is_file():
            return _read(source, Path(source))
        entry = packaged("class_maps", source, ".tsv")
        if entry is None:
            known = packaged_names("class_maps", ".tsv")
            nearest = did_you_mean(source, known)
            raise DataError(f"no class map {source!r}{nearest} (a file, or one of: {', '.join(known)})")
        return _read(source, entry)

    def grouped(self, labels: LabelSet, model: str) -> Groups:
        """The groups among the classes of a model.

        Raises:
            DataError: when the model does not have a class of the map.
        """
        for name in (name for names in self.members for name in names):
            if name not in labels:
                nearest = did_you_mean(name, labels)
                raise DataError(f"class map {self.source}: model {model!r} has no class {name!r}{nearest}")
        return Groups(
            self.targets, tuple(np.array([labels.index(name) for name in own]) for own in self.members)
        )


@dataclass(frozen=True, eq=False)
class Groups:
    """Places of the classes of each of G groups, and the names of the groups."""

    labels: LabelSet
    places: tuple[NDArray[np.intp], ...]

    def largest(self, values: NDArray[Values]) -> NDArray[Values]:
        """The largest value of each group. Shape: `(..., K)` to `(..., G)`."""
        return np.stack([values[..., own].max(axis=-1) for own in self.places], axis=-1)

    def rules(self, rules: EventRules) -> EventRules:
        """Rules of the K classes as rules of the groups.

        Raises:
            ConfigError: when they differ within a group.
        """
        names = ("median_filter_s", "min_duration_s", "max_gap_s", "clip_threshold")
        columns = {name: self._common(rules.per_class(name)) for name in names}
        boxes = rules.boxes
        if boxes is not None:
            own = boxes.of_classes(rules.n_classes)
            of_boxes = (self._common([getattr(rule, name) for rule in own]) for name in BoxRule._fields)
            boxes = BoxRules(*of_boxes)
        return EventRules(self._common(rules.thresholds), **columns, boxes=boxes)

    def _common(self, values: Iterable[float]) -> tuple[float, ...]:
        array = np.array(list(values))
        for label, own in zip(self.labels, self.places, strict=True):
            if np.ptp(array[own]):
                raise ConfigError(
                    f"the model has different rules for the classes that stand for {label!r}: "
                    "it needs others (--rules)"
                )
        return tuple(float(array[own[0]]) for own in self.places)


def packaged(folder: str, name: str, suffix: str) -> Traversable | None:
    """A file of data in the package, if it is there."""
    known = name in packaged_names(folder, suffix)
    return resources.files("htsat") / folder / f"{name}{suffix}" if known else None


def packaged_names(folder: str, suffix: str) -> Sequence[str]:
    """What is in a folder of data of the package, without suffixes."""
    entries = (resources.files("htsat") / folder).iterdir()
    return sorted(entry.name.removesuffix(suffix) for entry in entries if entry.name.endswith(suffix))


class PairRow(NamedTuple):
    """A class, what it is said to be, and the line that says so."""

    name: str
    value: str
    line: int


def read_pairs(source: str, file: Traversable, column: str) -> list[PairRow]:
    """The rows of a table with tabs and two columns: `class`, and `column`.

    Raises:
        DataError: naming `source`, and the line that does not fit.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{source}: is no text in UTF-8") from None
    try:
        rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    except csv.Error as error:
        raise DataError(f"{source}: {error}") from None
    if not rows or rows[0] != ["class", column]:
        found = "\\t".join(rows[0])[:200] if rows else "nothing"
        raise DataError(
            f"{source}: expected the columns class and {column}, with a tab between, found {found}"
        )
    for number, row in enumerate(rows[1:], 2):
        if len(row) != 2 or not all(cell.strip() for cell in row):
            raise DataError(f"{source}, line {number}: expected a class and a {column}")
    return [PairRow(name, value, line) for line, (name, value) in enumerate(rows[1:], 2)]


def _read(source: str, file: Traversable) -> ClassMap:
    groups: dict[str, list[str]] = {}
    for name, target, line in read_pairs(source, file, "target"):
        if name in groups.setdefault(target, []):
            raise DataError(f"{source}, line {line}: {name!r} stands for {target!r} twice")
        groups[target].append(name)
    if not groups:
        raise DataError(f"{source}: has no classes")
    return ClassMap(source, LabelSet.of(groups), tuple(map(tuple, groups.values())))
