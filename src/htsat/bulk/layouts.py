"""Where the results of a unit go: a part for all of its recordings, or a file for each, or both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from htsat.bulk.inputs import Input
from htsat.bulk.journal import staged_file
from htsat.bulk.merge import merge_parquet, merge_texts
from htsat.bulk.run import Layout, Write
from htsat.errors import ConfigError, HtsatError
from htsat.formats.embedding_parts import PART_SUFFIX, join_parts, to_part
from htsat.formats.embeddings import EmbeddedRecording, Origin, companions, to_parquet
from htsat.formats.output import own_path, to_file, to_folder
from htsat.formats.recording import AnyFormat, Format, Recording

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


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

    def files_of(self, _: Input) -> Sequence[PurePath]:
        """Recordings have no file of their own."""
        return ()

    def written(self, path: Path) -> Sequence[Path]:
        """The file alone."""
        return [path]

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

    def files_of(self, item: Input) -> Sequence[PurePath]:
        """The file of a recording below the output."""
        return [own_path(Path(), item.name, self._format.suffix)]


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

    def files_of(self, _: Input) -> Sequence[PurePath]:
        """Recordings have no file of their own."""
        return ()

    def written(self, path: Path) -> Sequence[Path]:
        """The file alone."""
        return [path]

    def merge(self, parts: Iterable[Path], path: Path) -> None:
        """All parts as one file."""
        merge_parquet(parts, path)


class NpyParts:
    """Vectors of many recordings that become one `.npy` with the list of its rows."""

    suffix: str | None = PART_SUFFIX

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    @contextmanager
    def opened(self, path: Path) -> Iterator[Write[EmbeddedRecording]]:
        """What writes a part."""
        with to_part(path) as write:
            yield lambda _, recording: write(recording)

    def files_of(self, _: Input) -> Sequence[PurePath]:
        """Recordings have no file of their own."""
        return ()

    def written(self, path: Path) -> Sequence[Path]:
        """The vectors, and what tells of them."""
        return [path, *companions(path)]

    def merge(self, parts: Iterable[Path], path: Path) -> None:
        """All parts as one file."""
        join_parts(list(parts), path, self._origin)


class OwnFile(Protocol[T_contra]):
    """A file that each recording gets beside its results, such as a picture."""

    @property
    def folder(self) -> Path:
        """What all of them lie below; absolute."""

    def path_of(self, item: Input) -> Path:
        """Where it ends up, below the folder."""

    def write(self, path: Path, item: Input, result: T_contra) -> None:
        """Write it to a path; a HtsatError is a failure of this recording."""


def check_own_files(files: Sequence[OwnFile[T]], inputs: Sequence[Input]) -> None:
    """Refuse recordings whose files would be written over each other.

    Raises:
        ConfigError: naming two of them.
    """
    for file in files:
        taken: dict[Path, PurePath] = {}
        for item in inputs:
            path = file.path_of(item)
            if path in taken:
                raise ConfigError(f"{taken[path]} and {item.name} would both be written to {path}")
            taken[path] = item.name


class Accompanied(Generic[T]):
    """Results with files for each recording: what is heard gives both."""

    def __init__(
        self, layout: Layout[Any], describe: Callable[[Input, T], object], files: Sequence[OwnFile[T]]
    ) -> None:
        self._layout, self._describe, self._files = layout, describe, files
        self.suffix = layout.suffix
        self.folders = [file.folder for file in files]

    @contextmanager
    def opened(self, path: Path) -> Iterator[Write[T]]:
        """What writes results as the layout does, and files where they are staged."""
        staged = path if self.suffix is None else path.parent
        with self._layout.opened(path) as write_results:

            def write(item: Input, result: T) -> None:
                for file in self._files:
                    target = file.path_of(item)
                    if target.is_dir():
                        raise HtsatError(f"{target} is not a file that can be replaced")
                    file.write(staged_file(staged, str(target)), item, result)
                write_results(item, self._describe(item, result))

            yield write

    def files_of(self, item: Input) -> Sequence[PurePath]:
        """Those of the layout, and the others."""
        return [*self._layout.files_of(item), *(file.path_of(item) for file in self._files)]


@runtime_checkable
class Joinable(Protocol):
    """Parts that can become one file."""

    def written(self, path: Path) -> Sequence[Path]:
        """All files that there are then: this one, and those that tell of it."""

    def merge(self, parts: Iterable[Path], path: Path) -> None:
        """All parts, in this order, as one file."""


class AccompaniedParts(Accompanied[T]):
    """The same, where results can become one file."""

    def __init__(
        self, layout: Layout[Any], describe: Callable[[Input, T], object], files: Sequence[OwnFile[T]]
    ) -> None:
        super().__init__(layout, describe, files)
        assert isinstance(layout, Joinable)
        self.written, self.merge = layout.written, layout.merge


def accompanied(
    layout: Layout[Any], describe: Callable[[Input, T], object], files: Sequence[OwnFile[T]]
) -> Layout[T]:
    """A layout for what `describe` makes results of, with files beside them."""
    kind = AccompaniedParts if isinstance(layout, Joinable) else Accompanied
    return kind(layout, describe, files)


def layout_of(one_format: AnyFormat[Recording]) -> Layout[Recording]:
    """Parts, if the format can hold many recordings."""
    return OwnFiles(one_format) if one_format.one_recording else Parts(one_format)
