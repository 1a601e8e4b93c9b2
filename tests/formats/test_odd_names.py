"""Names of any characters and bytes come back from every table, or are refused in one line."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from htsat.bulk.journal import Failure
from htsat.bulk.manifests import files_in
from htsat.bulk.report import write_failures
from htsat.data.manifest import Clip, Manifest, read_manifest, write_manifest
from htsat.errors import DataError
from htsat.formats import ALL_EVENT_FORMATS, DetectedRecording, TaggedRecording, jsonl, parquet
from htsat.formats import csv as csv_format
from htsat.formats.embedding_files import open_embeddings
from htsat.formats.embeddings import FORMATS, EmbeddedRecording, Origin
from htsat.formats.no_text import named, spelled
from htsat.formats.output import to_file
from htsat.formats.reading import read_recordings
from htsat.formats.score_tables import ScoreTable, read_tsv, write_tsv
from htsat.labels import LabelSet
from htsat.reports.segments import Listed, read_list, write_list
from htsat.scores import FrameGrid, SoundEvent, Tag
from htsat.search.listing import HIT_COLUMNS, LISTINGS
from htsat.search.ranking import Hit
from htsat.web.page.labels import Labels, read_labels, save_labels

ORIGIN = Origin("some-model", "ab" * 32, "clip", 2.0, 0.5, (1.0,) * 12, "0.1.0")
BREAKS = "\r\n\t\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"

ODD = st.text("a\"',;\\udcf0 " + BREAKS, min_size=1, max_size=12)
TEXTS = (ODD | st.text(min_size=1, max_size=12)).filter(lambda text: "\0" not in text)
BYTES = st.binary(min_size=1, max_size=12).filter(lambda name: b"\0" not in name).map(os.fsdecode)
NAMES = TEXTS | BYTES
LABELS = TEXTS.filter(str.strip).map(str.strip)


def of_names(test: Callable[..., None]) -> Callable[..., None]:
    """Try a test of a name and a label with many of both."""
    quiet = settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    for name in ("cr\r.wav", "\r", "a\r\nb", '"quoted".wav', "caf\udce9.wav", r"\udce9.wav", "a\u2028b"):
        test = example(name=name, label="a\rb")(test)
    return quiet(given(name=NAMES, label=LABELS)(test))


def written(path: Path, one_format: Any, recording: Any) -> Path:
    with to_file(path, one_format) as write:
        write(PurePath("a"), recording)
    return path


@of_names
def test_results(tmp_path: Path, name: str, label: str) -> None:
    recording = TaggedRecording(name, 1.0, [Tag(label, 0.5), Tag("x", 0.25)])
    tags = {name: recording.tags}
    assert csv_format.read_tags(written(tmp_path / "t.csv", csv_format.TAGS, recording)) == tags
    assert parquet.read_tags(written(tmp_path / "t.parquet", parquet.TAGS, recording)) == tags
    assert jsonl.read_tags(written(tmp_path / "t.jsonl", jsonl.TAGS, recording)) == [recording]
    (tmp_path / "t.jsonl").read_text(encoding="utf-8", errors="strict")
    for suffix in ("csv", "jsonl", "parquet"):
        manifest = tmp_path / f"t.{suffix}"
        if "://" in name:
            with pytest.raises(DataError, match="is an address"):
                list(files_in(manifest))
        else:
            assert set(files_in(manifest)) == {name}


@of_names
def test_events(tmp_path: Path, name: str, label: str) -> None:
    recording = DetectedRecording(
        name, 2.5, [SoundEvent(label, 0.5, 2.5, 0.5), SoundEvent("x", 1.0, 2.0, 1.0)]
    )
    for suffix in ("jsonl", "parquet"):
        [found] = read_recordings(written(tmp_path / f"e.{suffix}", ALL_EVENT_FORMATS[suffix], recording))
        assert found == recording
    if name.strip():
        [found] = read_recordings(written(tmp_path / "e.csv", csv_format.EVENTS, recording))
        assert found == recording._replace(file=name.strip())


@of_names
def test_dcase_lists(tmp_path: Path, name: str, label: str) -> None:
    path = written(
        tmp_path / "e.tsv",
        ALL_EVENT_FORMATS["tsv"],
        DetectedRecording(f"below/{name}", 2.5, [SoundEvent(label, 0.5, 2.5, 1.0)]),
    )
    for sign in "\t\r\n":
        name = name.replace(sign, " ")
    name = PurePath(f"below/{name}").name.strip()
    if name:
        [found] = read_recordings(path, "tsv")
        assert found.file == name
        assert read_recordings(path) == [found]
        assert found.events == [SoundEvent(" ".join(label.split()), 0.5, 2.5, 1.0)]


@of_names
def test_embeddings(tmp_path: Path, name: str, label: str) -> None:
    recording = EmbeddedRecording(name, np.ones((2, 3), np.float32), np.array([0.0, 1.0]))
    for suffix, opened in FORMATS.items():
        with opened(tmp_path / f"e{suffix}", ORIGIN) as write:
            write(recording)
            write(recording._replace(file=label))
        [block] = open_embeddings(tmp_path / f"e{suffix}").blocks()
        assert list(block.places.files) == [name, name, label, label]


@of_names
def test_lists_of_a_search(tmp_path: Path, name: str, label: str) -> None:
    hits = [Hit(name, 1.0, 0.5), Hit(label, 2.0, 0.25)]
    path = tmp_path / "hits.csv"
    path.write_text(LISTINGS["csv"](hits, HIT_COLUMNS), encoding="utf-8", errors="surrogateescape")
    assert [row[0] for row in rows_of(path)] == ["file", name, label]
    lines = LISTINGS["jsonl"](hits, HIT_COLUMNS).encode().decode().split("\n")[:-1]
    assert [json.loads(line)["file"] for line in lines] == [name, label]


@of_names
def test_failures_and_segments(tmp_path: Path, name: str, label: str) -> None:
    write_failures(tmp_path / "failures.csv", [Failure(name, label), Failure("b", "c")])
    assert rows_of(tmp_path / "failures.csv") == [["file", "reason"], [name, label], ["b", "c"]]
    listed = {name: Listed(name, name, "0.0", "1.0", label, "0.5")}
    write_list(tmp_path, listed)
    assert read_list(tmp_path) == listed


@of_names
def test_labels_of_the_page(tmp_path: Path, name: str, label: str) -> None:
    recording = tmp_path / "a.wav"
    labels = Labels(True, [SoundEvent(label, 0.5, 2.5, 1.0), SoundEvent("x", 1.0, 2.0, 1.0)])
    save_labels(recording, labels)
    assert read_labels(recording) == labels


@of_names
def test_tables_of_clips(tmp_path: Path, name: str, label: str) -> None:
    (tmp_path / "labels.txt").unlink(missing_ok=True)
    manifest = Manifest((Clip(tmp_path / f"a{name}", (label,)),), LabelSet.of([label, "x"]))
    for suffix in ("tsv", "parquet"):
        problem = problem_of(lambda path: write_manifest(path, manifest), tmp_path / f"m.{suffix}")
        assert "\n" not in problem
        if not problem:
            assert read_manifest(tmp_path / f"m.{suffix}") == manifest


def problem_of(write: Callable[[Path], None], path: Path) -> str:
    """Why a file is not written; empty if it is."""
    try:
        write(path)
    except DataError as error:
        return str(error)
    return ""


@of_names
def test_tables_of_scores(tmp_path: Path, name: str, label: str) -> None:
    labels = LabelSet.of(dict.fromkeys(("x", label)))
    table = ScoreTable(np.full((2, len(labels)), 0.5), FrameGrid(np.array([0.0, 1.0, 2.0])), labels)
    write_tsv(tmp_path / "scores.tsv", table)
    assert read_tsv(tmp_path / "scores.tsv").labels == labels


@given(name=NAMES)
def test_a_spelled_name_is_text_and_means_one_name(name: str) -> None:
    assert spelled(name).encode().decode() == spelled(name)
    assert named(spelled(name)) == name


def test_spelled_names_are_readable() -> None:
    assert spelled("caf\udce9.wav") == r"caf\udce9.wav"
    assert spelled("C:\\é.wav") == "C:\\é.wav"
    assert spelled(r"\udce9") == r"\udc5cudce9"


def test_labels_in_other_encodings_are_refused_where_names_are_not(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_bytes(b"file,onset,offset,label\ncaf\xe9.wav,0,1,Dog\n")
    [found] = read_recordings(path)
    assert found.file == "caf\udce9.wav"
    path.write_bytes(b"file,onset,offset,label\na.wav,0,1,Dog\na.wav,0,1,Caf\xe9\n")
    with pytest.raises(DataError, match=r"e\.csv, line 3: the label 'Caf.udce9' is no text in UTF-8"):
        read_recordings(path)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.reader(file))
