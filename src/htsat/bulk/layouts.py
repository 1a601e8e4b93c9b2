"""Where the results of a unit go: a part for all of its recordings, or a file for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Generic, Protocol, runtime_checkable

from htsat.bulk.inputs import Input
from htsat.bulk.merge import merge_parquet, merge_texts
from htsat.bulk.run import Layout, Write
from htsat.formats.embeddings import EmbeddedRecording, Origin, to_parquet
from htsat.formats.output import own_path, to_file, to_folder
from htsat.formats.recording import AnyFormat, Format, Recording


class Parts(Generic[Recording]):
    """Tags or events of many recordings in one file."""

    def __init__(self, one_format: AnyFormat[Recording]) -> None:
        self._format: AnyFormat[Recording] = one_format
        self.suffix: str | None = one_format.suffix

    @contextmanager
    def opened(self, path: Path) -> Iterator[Write[Recording]]:
        """What writes a part."""
        with to_file(path, self._format) as write:
            yield lambda item, recording: write(item.name, recording)

    def file_of(self, _: Input) -> None:
        """Recordings have no file of their own."""

    def merge(self, parts: Iterable[Path], path: Path) -> None:
        """All parts as one file."""
        if isinstance(self._format, Format):
            merge_texts(parts, path, self._format.header)
        else:
            merge_parquet(parts, path)


class OwnFiles(Generic[Recording]):
    """A file for each recording, for formats that cannot say which recording they are about."""

    suffix: str | None = None

    def __init__(self, one_format: AnyFormat[Recording]) -> None:
        self._format: AnyFormat[Recording] = one_format

    @contextmanager
    def opened(self, path: Path) -> Iterator[Write[Recording]]:
        """What writes files below a folder."""
        write = to_folder(path, self._format)
        yield lambda item, recording: write(item.name, recording)

    def file_of(self, item: Input) -> PurePath:
        """The file of a recording below the output."""
        return own_path(Path(), item.name, self._format.suffix)


class EmbeddingParts:
    """Vectors of many recordings in a Parquet file, which `htsat search` takes for an index."""

    suffix: str | None = ".parquet"

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    @contextmanager
    def opened(self, path: Path) -> Iterator[Write[EmbeddedRecording]]:
        """What writes a part."""
        with to_parquet(path, self._origin) as write:
            yield lambda _, recording: write(recording)

    def file_of(self, _: Input) -> None:
        """Recordings have no file of their own."""

    def merge(self, parts: Iterable[Path], path: Path) -> None:
        """All parts as one file."""
        merge_parquet(parts, path)


@runtime_checkable
class Joinable(Protocol):
    """Parts that can become one file."""

    def merge(self, parts: Iterable[Path], path: Path) -> None:
        """All parts, in this order, as one file."""


def layout_of(one_format: AnyFormat[Recording]) -> Layout[Recording]:
    """Parts, if the format can hold many recordings."""
    return OwnFiles(one_format) if one_format.one_recording else Parts(one_format)
