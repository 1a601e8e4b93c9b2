"""Found events cut out as sound files: a folder for each class, to be looked through and learned from."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import Literal, NamedTuple, TextIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from htsat.errors import AudioError, ConfigError, DataError
from htsat.files import atomic_path, write_text
from htsat.formats.csv_rows import csv_text
from htsat.pictures.lanes import Span
from htsat.reports.excerpts import Excerpt, excerpts
from htsat.scores import FloatArray, SoundEvent

SegmentFormat = Literal["flac", "wav"]

LIST_NAME = "segments.csv"
_COLUMNS = ("segment", "recording", "from_s", "to_s", "class", "probability")
"""None of them is a column of strong labels: the folder stays one of classes."""

_NO_NAME = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')
_FLAC_CHANNELS, _FLAC_RATE = 8, 655_350
_MAX_NAME = 120


class Segment(NamedTuple):
    """An event that gets a file: its name below the folder, and the stretch with its context."""

    name: PurePath
    span: Span
    event: SoundEvent


class Cutting(NamedTuple):
    """How events are cut: seconds before and after, the longest segment, and the format of the files."""

    context_s: float
    longest_s: float
    file_format: SegmentFormat

    def segment(self, recording: PurePath, event: SoundEvent) -> Segment:
        """The segment of an event; of one that is too long its first part."""
        start_s = max(0.0, event.onset_s - self.context_s)
        span = Span(start_s, min(event.offset_s + self.context_s, start_s + self.longest_s))
        name = f"{stem_of(recording)}_{span.start_s:09.3f}s_{event.probability:.3f}.{self.file_format}"
        return Segment(PurePath(class_folder(event.label)) / name, span, event)


def stem_of(recording: PurePath) -> str:
    """How the names of the segments of a recording begin; `recording` is its place in a folder."""
    stem = _NO_NAME.sub("_", "_".join(recording.with_suffix("").parts))
    return stem.encode("utf-8", "replace").decode("utf-8")[:_MAX_NAME].lstrip(".")


def check_stems(recordings: Sequence[PurePath]) -> None:
    """Refuse recordings whose segments could not be told apart.

    Raises:
        ConfigError: naming two of them.
    """
    taken: dict[str, PurePath] = {}
    for recording in recordings:
        stem = stem_of(recording)
        if taken.setdefault(stem, recording) is not recording:
            raise ConfigError(f"segments of {taken[stem]} and {recording} would both be named {stem}_...")


def class_folder(label: str) -> str:
    """The folder of a class, as `htsat finetune` reads it: a comma would part two classes."""
    plain = _NO_NAME.sub("_", label.replace(",", ";")).strip().rstrip(".")
    return f"_{plain[1:]}" if plain.startswith((".", "_negative")) else plain or "_"


def write_segments(folder: Path, recording: Path, segments: Sequence[Segment]) -> Iterator[Segment]:
    """Cut segments of one recording into files that are not there yet; gives each that was written.

    Raises:
        AudioError: when the recording cannot be read, or ends before one of them.
    """
    by_span: dict[Span, list[Segment]] = {}
    for segment in segments:
        by_span.setdefault(segment.span, []).append(segment)
    for excerpt in excerpts(recording, list(by_span)):
        for segment in by_span.pop(excerpt.span):
            _write(folder / segment.name, excerpt)
            yield segment
    if by_span:
        raise AudioError(f"{recording}: ends before {min(by_span).start_s:.3f} s, where an event should be")


def _write(path: Path, excerpt: Excerpt) -> None:
    kind = path.suffix[1:].upper()
    n_channels = excerpt.samples.shape[1]
    if kind == "FLAC" and (n_channels > _FLAC_CHANNELS or excerpt.sample_rate > _FLAC_RATE):
        raise AudioError(
            f"FLAC holds at most {_FLAC_CHANNELS} channels of {_FLAC_RATE} Hz, got {n_channels} of "
            f"{excerpt.sample_rate} Hz: --format wav holds them"
        )
    content = io.BytesIO()  # a full disk would be told by a traceback inside the library
    samples = integers(excerpt.samples, excerpt.n_bits)
    soundfile.write(content, samples, excerpt.sample_rate, f"PCM_{excerpt.n_bits}", format=kind)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def integers(samples: FloatArray, n_bits: int) -> NDArray[np.signedinteger]:
    """Samples as integers of 16 or 24 bits, the latter in the upper part of 32; beyond full scale is cut."""
    scale = 2.0 ** (n_bits - 1)
    whole = np.clip(np.rint(samples.astype(np.float64) * scale), -scale, scale - 1).astype(np.int32)
    return whole.astype(np.int16) if n_bits == 16 else whole << 8


class Listed(NamedTuple):
    """A row of the list of segments, as text."""

    segment: str
    recording: str
    from_s: str
    to_s: str
    class_: str
    probability: str

    @classmethod
    def of(cls, segment: Segment, recording: str) -> Listed:
        """The row of a segment."""
        times = f"{segment.span.start_s:.4f}", f"{segment.span.stop_s:.4f}"
        return cls(
            segment.name.as_posix(),
            recording,
            *times,
            segment.event.label,
            f"{segment.event.probability:.6f}",
        )


def read_list(folder: Path) -> dict[str, Listed]:
    """What was cut into a folder before, by the names of the files.

    Raises:
        DataError: when its list is not one.
    """
    path = folder / LIST_NAME
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = _rows(file)
    if not rows or tuple(rows[0]) != _COLUMNS or any(len(row) != len(_COLUMNS) for row in rows):
        raise DataError(f"{path}: is not a list of segments; choose another folder")
    return {row[0]: Listed(*row) for row in rows[1:]}


def _rows(file: TextIO) -> list[list[str]]:
    """The rows of a table; none if it is no CSV."""
    try:
        return list(csv.reader(file))
    except csv.Error:
        return []


def write_list(folder: Path, listed: dict[str, Listed]) -> None:
    """Write the list of all segments of a folder."""
    write_text(folder / LIST_NAME, csv_text([_COLUMNS, *listed.values()]))
