"""Where results go: one stream or file for all recordings, or a folder with a file for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TextIO

from htsat.errors import ConfigError
from htsat.files import atomic_path
from htsat.formats.recording import AnyFormat, FileFormat, Format, Recording

Write = Callable[[PurePath, Recording], None]
"""Takes what is known of a recording, and the name that a file of its own gets (without suffix)."""


def to_stream(stream: TextIO, text_format: Format[Recording]) -> Write[Recording]:
    """Write the header now and each recording as soon as it comes."""
    stream.write(text_format.header)

    def write(_: PurePath, recording: Recording) -> None:
        stream.write(text_format.describe(recording))
        stream.flush()

    return write


@contextmanager
def to_file(path: Path, one_format: AnyFormat[Recording]) -> Iterator[Write[Recording]]:
    """Write all recordings into one file, which takes its name when the block ends well."""
    if isinstance(one_format, FileFormat):
        with one_format.opened(path) as take:
            yield lambda _, recording: take(recording)
        return
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file,
    ):
        yield to_stream(file, one_format)


def to_folder(folder: Path, one_format: AnyFormat[Recording]) -> Write[Recording]:
    """Write a file of its own for each recording."""

    def write(name: PurePath, recording: Recording) -> None:
        with to_file(own_path(folder, name, one_format.suffix), one_format) as write_one:
            write_one(name, recording)

    return write


def own_path(folder: Path, name: PurePath, suffix: str) -> Path:
    """The file for one recording in a folder of results."""
    return folder / name.with_name(name.stem + suffix)


def check_own_paths(folder: Path, names: Sequence[PurePath], suffix: str) -> None:
    """Refuse recordings that would be written over each other.

    Raises:
        ConfigError: naming two of them.
    """
    taken: dict[Path, PurePath] = {}
    for name in names:
        path = own_path(folder, name, suffix)
        if path in taken:
            raise ConfigError(f"{taken[path]} and {name} would both be written to {path}")
        taken[path] = name
