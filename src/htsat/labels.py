"""The names of the classes a model hears, in the order of its outputs."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

from htsat.errors import DataError, did_you_mean


@dataclass(frozen=True)
class LabelSet:
    """Class names; the place of a name is the index of its class.

    Raises:
        DataError: when a name is empty or occurs twice.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not all(name.strip() for name in self.names):
            raise DataError("a class name is empty")
        if len(set(self.names)) != len(self.names):
            twice = next(name for name, count in Counter(self.names).items() if count > 1)
            raise DataError(f"class name {twice!r} occurs twice")

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __getitem__(self, index: int) -> str:
        return self.names[index]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    def index(self, name: str) -> int:
        """Index of a class; an unknown name is refused with the nearest known one."""
        try:
            return self._index[name]
        except KeyError:
            raise DataError(f"unknown class {name!r}{did_you_mean(name, self.names)}") from None

    @classmethod
    def of(cls, names: Iterable[str]) -> LabelSet:
        """The label set of any iterable of names."""
        return cls(tuple(names))

    @classmethod
    def listed(cls, text: str) -> LabelSet:
        """The label set of a text with a name on each line."""
        # Not splitlines: names may hold what that takes for the end of a line.
        return cls(tuple(line.removesuffix("\n") for line in io.StringIO(text)))

    @classmethod
    def named(cls, name: str) -> LabelSet:
        """A label set that comes with the package.

        `audioset`: the 527 classes of AudioSet in their standard order. `esc50`: the 50 of ESC-50.
        `desed`: the ten of DESED, sorted. `speech-commands`: the 35 words of Speech Commands, sorted.
        `speech-commands-author`: the same in the order that the published checkpoint was trained with (a
        directory listing of its author's machine).
        """
        folder = resources.files("htsat") / "label_sets"
        known = sorted(
            entry.name.removesuffix(".txt") for entry in folder.iterdir() if entry.name.endswith(".txt")
        )
        if name not in known:
            raise DataError(
                f"no label set {name!r}{did_you_mean(name, known)} (there are: {', '.join(known)})"
            )
        return cls.listed((folder / f"{name}.txt").read_text(encoding="utf-8"))
