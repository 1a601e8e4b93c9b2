"""Bulk runs with a stand-in for listening: what it hears follows from the name and content of a recording."""

from __future__ import annotations

import errno
import os
from argparse import Namespace
from collections.abc import Callable, Generator, Sequence
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from htsat.bulk.inputs import Input
from htsat.bulk.layouts import layout_of
from htsat.bulk.run import Work
from htsat.cli import bulk_run
from htsat.errors import AudioError, HtsatError
from htsat.formats import audacity, csv, jsonl, parquet
from htsat.formats.recording import DetectedRecording, TaggedRecording
from htsat.scores import SoundEvent, Tag

FORMATS: dict[str, Any] = {
    "csv": csv.TAGS,
    "jsonl": jsonl.TAGS,
    "parquet": parquet.TAGS,
    "audacity": audacity.EVENTS,
}


def hear(inputs: Sequence[Input]) -> Generator[Any | HtsatError, None, None]:
    """Tags; a recording that is missing, or begins with `bad`, has none."""
    for item in inputs:
        try:
            content = Path(item.title).read_bytes()
        except OSError as error:
            yield AudioError(f"{item.title}: {error.strerror}")
            continue
        digest = sha256(item.title.encode(errors="surrogateescape") + content).digest()
        if content.startswith(b"bad"):
            yield AudioError(f"{item.title}: is bad")
        else:
            yield TaggedRecording(
                item.title, 1.0, [Tag(f"class {value % 7}", value / 255) for value in digest[:3]]
            )


def detect(inputs: Sequence[Input]) -> Generator[Any | HtsatError, None, None]:
    """The same tags as events."""
    for result in hear(inputs):
        if isinstance(result, HtsatError):
            yield result
        else:
            events = [SoundEvent(label, 0.0, 1.0, p) for label, p in result.tags]
            yield DetectedRecording(result.file, 1.0, events)


def work(name: str = "csv") -> Work[Any]:
    """Listening, and where its results go."""
    one_format = FORMATS[name]
    heard = detect if one_format.one_recording else hear
    return Work(heard, lambda result: result.duration_s, layout_of(one_format))


def call(recordings: Path | Sequence[object], output: object, name: str = "csv", **options: Any) -> int:
    """What a command does with `--resume`; returns the exit code."""
    inputs = [recordings] if isinstance(recordings, Path) else recordings
    values = {"command": "tag", "retry": False, "shard": None, "top": 3} | options
    engine = {"model": None, "engine": "auto", "device": "auto", "precision": None, "threads": 1}
    args = Namespace(
        inputs=list(map(str, inputs)), output=str(output), resume=True, compile=False, **engine, **values
    )
    model: Any = SimpleNamespace(computation=SimpleNamespace(precision="fp32"))
    return bulk_run.run_bulk(args, model, options.get("work") or work(name), name)


def rows(output: Path) -> list[str]:
    """All lines of results below a folder, or in a file, whatever their order."""
    parts = sorted(output.rglob("*.csv")) if output.is_dir() else [output]
    texts = [
        part.read_text(errors="surrogateescape")
        for part in parts
        if part.parent.name == "parts" or part == output
    ]
    return sorted(line for text in texts for line in text.splitlines()[1:])


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder that a user sees, by path: times of runs are left out."""
    visible = [path for path in folder.rglob("*") if path.is_file() and ".htsat" not in path.parts]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in visible
        if not path.name.endswith("summary.json")
    }


def forbidding(folder: Path) -> Callable[[Any], Any]:
    """Listing of folders, of which one may not be read."""
    original = os.scandir

    def scandir(path: Any) -> Any:
        if path == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return original(path)

    return scandir
