"""What is written about one recording, and the shape that every text format has."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from htsat.errors import DataError
from htsat.scores import SoundEvent, Tag


class TaggedRecording(NamedTuple):
    """The tags of one recording, the most probable first."""

    file: str
    duration_s: float
    tags: list[Tag]


class DetectedRecording(NamedTuple):
    """The sound events of one recording, by onset."""

    file: str
    duration_s: float
    events: list[SoundEvent]


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


def probability_text(probability: float) -> str:
    """A probability to six digits."""
    return f"{probability:.6f}"


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Say which file is not of its kind, and why, when what is read in the block does not fit."""
    try:
        yield
    except KeyError as error:
        raise DataError(f"{path}: is not {kind}: no field {error}") from error
    except (ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{path}: is not {kind}: {error}") from error


def one_line(label: str) -> str:
    """A label without the characters that end a field or a line."""
    return " ".join(label.split())
