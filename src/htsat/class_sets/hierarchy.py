"""Which class is a kind of which: the ontology of AudioSet, or a table of one's own.

A parent sounds where any class below it sounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from htsat.errors import DataError, did_you_mean
from htsat.evaluation.class_map import Groups, packaged, packaged_names, read_pairs
from htsat.labels import LabelSet

_FOLDER, _ENDING = "label_sets", "-ontology.tsv"


@dataclass(frozen=True)
class Hierarchy:
    """The parents of classes, which may be several; `source` says in messages where they come from."""

    source: str
    parents: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, source: str) -> Hierarchy:
        """A hierarchy that comes with the package, by its name, or a file of columns `class` and `parent`.

        `audioset`: the ontology of AudioSet.

        Raises:
            DataError: when there is none, or naming the line that does not fit.
        """
        if Path(source).is_file():
            return cls(source, _read(source, Path(source)))
        entry = packaged(_FOLDER, source, _ENDING)
        if entry is None:
            known = packaged_names(_FOLDER, _ENDING)
            nearest = did_you_mean(source, known)
            raise DataError(f"no hierarchy {source!r}{nearest} (a file, or one of: {', '.join(known)})")
        return cls(source, _read(source, entry))

    def groups(self, labels: LabelSet) -> Groups:
        """Each class and all that stand above them, with the classes below it and itself as members.

        The classes come first and in their order, then their further parents, the nearest ones first.

        Raises:
            DataError: when it knows none of the classes.
        """
        above = {name: self._with_ancestors(name) for name in labels}
        if all(len(names) == 1 for names in above.values()):
            raise DataError(f"hierarchy {self.source}: holds none of the model's {len(labels)} classes")
        members: dict[str, list[int]] = {name: [] for name in labels}
        for index, name in enumerate(labels):
            for group in above[name]:
                members.setdefault(group, []).append(index)
        return Groups(LabelSet.of(members), tuple(np.array(own) for own in members.values()))

    def _with_ancestors(self, name: str) -> list[str]:
        """A class and all above it, each once."""
        found = [name]
        for known in found:
            for parent in self.parents.get(known, ()):
                if parent not in found:
                    found.append(parent)
        return found


def _read(source: str, file: Traversable) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = {}
    for name, parent, _ in read_pairs(source, file, "parent"):
        parents.setdefault(name, []).append(parent)
    return parents
