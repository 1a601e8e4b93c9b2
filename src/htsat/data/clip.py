"""One labelled stretch of sound, and where its bytes lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePath

from htsat.errors import DataError


@dataclass(frozen=True, slots=True)
class Member:
    """The bytes of a file inside a tar shard."""

    offset: int
    size: int

    def __post_init__(self) -> None:
        if self.offset < 0 or self.size < 1:
            raise DataError(
                f"offset must be at least 0 and size at least 1, got {self.offset} and {self.size}"
            )


@dataclass(frozen=True, slots=True)
class Row:
    """A row of an HDF5 or Parquet file, counted from 0."""

    index: int

    def __post_init__(self) -> None:
        if self.index < 0:
            raise DataError(f"row must be at least 0, got {self.index}")


_SCHEMES = ("http", "https")


def path_of(address: str) -> Path | None:
    """The address of a file on a web server as a path, which `address_of` reads; None for other texts.

    Raises:
        DataError: when a path cannot hold the address.
    """
    if address.partition("://")[0] not in _SCHEMES:
        return None
    path = Path(address)
    if address_of(path) != address:
        raise DataError(f"{address}: an address must not have empty parts ('//', '/.') or end with '/'")
    return path


def address_of(path: PurePath) -> str | None:
    """The address that a path stands for; None where it is the path of a file."""
    scheme, mark, rest = path.as_posix().partition(":/")
    return f"{scheme}://{rest}" if mark and scheme in _SCHEMES else None


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled stretch of a recording.

    `path` is the recording, or the shard or table that holds it at `place` (a shard may lie on a web server,
    see `path_of`); `duration_s` None means to its end. `fold` names a part of the data set, `group` the
    origin that a split must not separate, `weight` says how often the clip is drawn against others, `events`
    is a file of strong labels.

    Raises:
        DataError: when a value is out of range.
    """

    path: Path
    labels: tuple[str, ...]
    start_s: float = 0.0
    duration_s: float | None = None
    fold: str | None = None
    group: str = ""
    weight: float = 1.0
    events: Path | None = None
    place: Member | Row | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < math.inf:
            raise DataError(f"{self.title}: start must be at least 0 s, got {self.start_s}")
        if self.duration_s is not None and not 0 < self.duration_s < math.inf:
            raise DataError(f"{self.title}: duration must be above 0 s, got {self.duration_s}")
        if not 0 <= self.weight < math.inf:
            raise DataError(f"{self.title}: weight must be at least 0, got {self.weight}")

    @property
    def title(self) -> str:
        """How messages name the recording: its path, with offset or row where it lies in a larger file."""
        name = address_of(self.path) or str(self.path)
        match self.place:
            case Member(offset=number) | Row(index=number):
                return f"{name}[{number}]"
        return name

    @property
    def origin(self) -> str:
        """What a split keeps together: the group, or the recording where no group is given."""
        return self.group or self.title
