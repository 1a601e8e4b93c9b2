"""What is written about one recording, and the shape that every text format has."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, NamedTuple, TypeVar

from htsat.errors import DataError
from htsat.scores import FrequencyBand, SoundEvent, Tag


class TaggedRecording(NamedTuple):
    """The tags of one recording, the most probable first."""

    file: str
    duration_s: float
    tags: list[Tag]


class DetectedRecording(NamedTuple):
    """The sound events of one recording, by onset.

    `heard` is the band in which was listened; formats that need a band take it for events without one.
    """

    file: str
    duration_s: float
    events: list[SoundEvent]
    heard: FrequencyBand | None = None


Recording = TypeVar("Recording", TaggedRecording, DetectedRecording)


@dataclass(frozen=True)
class Format(Generic[Recording]):
    """A text format: a header, then a text for each recording.

    `one_recording` marks formats that cannot say which recording they are about.
    """

    suffix: str
    header: str
    describe: Callable[[Recording], str]
    one_recording: bool = False


def time_text(time_s: float) -> str:
    """Seconds to a tenth of a millisecond."""
    return f"{time_s:.4f}"


def frequency_text(frequency_hz: float) -> str:
    """Hertz to a thousandth."""
    return f"{frequency_hz:.3f}"


def probability_text(probability: float) -> str:
    """A probability to six digits."""
    return f"{probability:.6f}"


@dataclass(frozen=True)
class FileFormat(Generic[Recording]):
    """A format that is no text: `opened` gives what takes the recordings for a file one after the other."""

    one_recording: ClassVar[bool] = False

    suffix: str
    opened: Callable[[Path], AbstractContextManager[Callable[[Recording], None]]]


AnyFormat = Format[Recording] | FileFormat[Recording]


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Say which file is not of its kind, and why, when what is read in the block does not fit."""
    try:
        yield
    except KeyError as error:
        raise DataError(f"{path}: is not {kind}: no field {error}") from error
    except (ValueError, TypeError, OverflowError, RecursionError, csv.Error) as error:
        reason = f"{error!s:.300}".replace("\n", " ")
        raise DataError(f"{path}: is not {kind}: {reason}") from error


def last_offset_s(events: Iterable[SoundEvent]) -> float:
    """When the last event ends: the least that a recording lasts."""
    return max((event.offset_s for event in events), default=0.0)


def one_line(label: str) -> str:
    """A label without the characters that end a field or a line."""
    return " ".join(label.split())
