"""Manifests, embeddings and scores that were made to do harm."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from htsat.bulk.manifests import files_in
from htsat.cli.main import main
from htsat.data.manifest import read_manifest
from htsat.errors import DataError, HtsatError
from htsat.formats import bounded
from htsat.formats.embedding_files import open_embeddings
from htsat.formats.parquet import read_events
from htsat.formats.score_tables import read_npz, read_tsv

LONG = "b" * 200_000
DEEP = "[" * 100_000
DIGITS = "1" * 5000

LISTS = {
    "quote.csv": f'file\n"a{LONG}',
    "columns.csv": ",".join(map(str, range(100_000))) + "\n1\n",
    "nul.csv": "file\na\0.wav\n",
    "empty.csv": "",
    "deep.jsonl": f'{{"file": {DEEP}',
    "digits.jsonl": f'{{"file": {DIGITS}}}',
    "list.jsonl": "[1]\n",
    "half.jsonl": '{"file": "\\ud800"}',
    "utf-16.csv": "file\na.wav\n".encode("utf-16"),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_recordings_that_are_refused(tmp_path: Path, name: str) -> None:
    refused(tmp_path / name, LISTS[name], lambda path: list(files_in(path)))


CLIPS = {
    "long": f"path\tlabels\n{LONG}\tx\n",
    "nan": "path\tlabels\tstart\na\tx\tnan\n",
    "endless": "path\tlabels\tduration\na\tx\t1e999\n",
    "digits": f"path\tlabels\toffset\tsize\na\tx\t{DIGITS}\t1\n",
    "weight": "path\tlabels\tweight\na\tx\t-1\n",
    "cells": "path\tlabels\n" + "a\t" * 1000 + "\n",
    "columns": "path\tlabels\t" + "x\t" * 100_000 + "\n",
    "no text": b"path\tlabels\na\t\xff\n",
    "not a table": bytes(range(256)),
}


@pytest.mark.parametrize("name", CLIPS)
def test_manifests_of_clips_that_are_refused(tmp_path: Path, name: str) -> None:
    refused(tmp_path / "clips.tsv", CLIPS[name], read_manifest)


@pytest.mark.parametrize(
    "columns", [{"path": [1], "labels": [[{"a": 1}]]}, {"path": [["a"]], "labels": ["x"]}]
)
def test_parquet_of_other_types_is_refused(tmp_path: Path, columns: dict[str, Any]) -> None:
    refused(tmp_path / "clips.parquet", as_parquet(**columns), read_manifest)
    refused(tmp_path / "events.parquet", as_parquet(**columns), read_events)
    refused(tmp_path / "list.parquet", as_parquet(**columns), lambda path: list(files_in(path)))


def test_a_line_without_end_is_never_in_memory(tmp_path: Path) -> None:
    """A sparse file of 4 GB without a line feed, with 1.5 GB of address space."""
    path = tmp_path / "clips.tsv"
    with path.open("wb") as file:
        file.write(b"path\tlabels\n")
        file.truncate(2**32)
    code = f"""
import resource, sys
from pathlib import Path
from htsat.bulk.manifests import files_in
from htsat.cli.main import main
from htsat.data.manifest import read_manifest
from htsat.data.label_files import read_label_file
from htsat.errors import DataError
from htsat.formats import bounded
bounded.MAX_FILE_BYTES = 2**24
path = Path({str(path)!r})
resource.setrlimit(resource.RLIMIT_AS, (1500 << 20, 1500 << 20))
for read in (read_manifest, read_label_file, lambda path: list(files_in(path))):
    try:
        read(path)
        sys.exit("it was read")
    except DataError as error:
        assert "more than" in str(error), error
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lines_are_lines() -> None:
    text = "a\r\nb\rc\n\nd"
    assert list(bounded.bounded_lines(io.StringIO(text, newline=""))) == list(io.StringIO(text, newline=""))


def test_pickled_arrays_are_not_loaded(tmp_path: Path) -> None:
    trap = tmp_path / "executed"
    objects = np.array([Trap(trap)], dtype=object)
    for name, read in (("a.npy", open_embeddings), ("a.npz", read_npz)):
        content = io.BytesIO()
        (np.save if name == "a.npy" else np.savez)(content, objects, allow_pickle=True)
        refused(tmp_path / name, content.getvalue(), read)
        refused(tmp_path / name, pickle.dumps(Trap(trap)), read)
    assert not trap.exists()


class Trap:
    """What makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "shape", ["(99999999999, 512)", "(-1, 2)", "(1e5, 2)", "(2, " + "(" * 500, "2,", "", DIGITS]
)
def test_shapes_that_are_not_there_are_refused(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    content = b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n" + bytes(64)
    refused(tmp_path / "a.npy", content, open_embeddings)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("scores.npy", "boundaries_s.npy", "labels.npy"):
            file.writestr(name, content)
    refused(tmp_path / "a.npz", archive.getvalue(), read_npz)


def test_a_bomb_of_scores_is_not_unpacked(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with (
        zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("scores.npy", "w", force_zip64=True) as entry,
    ):
        for _ in range(300):
            entry.write(bytes(2**20))
    assert len(archive.getvalue()) < 2**21
    assert "at most" in refused(tmp_path / "a.npz", archive.getvalue(), read_npz)


@pytest.mark.parametrize(
    "text", [f"onset\toffset\t{LONG}\n0\t1\t1\n", "onset\toffset\ta\n0\t1\tnan\n", "\0", ""]
)
def test_tables_of_scores_that_are_refused(tmp_path: Path, text: str) -> None:
    refused(tmp_path / "a.tsv", text, read_tsv)


def as_parquet(**columns: Any) -> bytes:
    content = io.BytesIO()
    parquet.write_table(pa.table(columns), content)
    return content.getvalue()


def refused(path: Path, content: bytes | str, read: Any) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1500
    return message


GOOD = as_parquet(file=["a.wav"], path=["a.wav"], labels=["x"], onset=[0.0], offset=[1.0], label=["x"])


def test_columns_whose_names_are_no_text(tmp_path: Path) -> None:
    content = GOOD.replace(b"onset", b"\xa1nset")
    for read in (read_events, read_manifest, lambda path: list(files_in(path)), open_embeddings):
        refused(tmp_path / "a.parquet", content, read)


@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_parquet_with_other_bytes_is_read_or_refused(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(GOOD)
    for place, value in changes:
        content[place] = value
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    for read in (read_events, read_manifest, lambda path: list(files_in(path)), open_embeddings):
        message = ""
        try:
            read(path)
        except HtsatError as error:
            message = str(error)
        assert "\n" not in message


@pytest.mark.parametrize("options", [(), ("--resume",)])
def test_no_result_lies_outside_of_the_output(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A manifest may name any recording, but where results go is not its business."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for path in (tmp_path / "up.wav", tmp_path / "a" / "absolute.wav"):
        soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(8000), 8000)
    listed = f"file\n../../up.wav\n{tmp_path}/a/b/../absolute.wav\n"
    (inner / "list.csv").write_text(listed, encoding="utf-8")
    before = set(tmp_path.rglob("*"))
    out = inner / "out"
    asked = ["detect", str(inner / "list.csv"), "--format", "audacity", "-o", f"{out}/", *options]
    assert main(asked) == 0
    made = set(tmp_path.rglob("*")) - before
    assert {path.name for path in made} >= {"up.txt", "absolute.txt"}
    assert all(path.is_relative_to(out) for path in made)
