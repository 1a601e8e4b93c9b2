from __future__ import annotations

import sys
from pathlib import Path, PurePath

import pyarrow as pa
import pytest
from pyarrow import parquet as reference

from htsat.errors import DataError, MissingExtraError
from htsat.formats import DetectedRecording, TaggedRecording, parquet
from htsat.formats.output import to_file, to_folder
from htsat.scores import FrequencyBand, MarkedEvent, SoundEvent, Tag

DOG = SoundEvent("Dog", 0.3125, 2.5, 0.75)
OWL = MarkedEvent.of(SoundEvent("Owl \u2028 é", 1.0, 1.03125, 0.000125), FrequencyBand(300.5, 900.0))
DETECTED = [DetectedRecording("x/a, b.wav", 10.5, [DOG, OWL]), DetectedRecording("y/c.wav", 1.0, [])]
TAGGED = [TaggedRecording("x/a, b.wav", 10.5, [Tag("Dog", 0.75)]), TaggedRecording("y/c.wav", 1.0, [])]


def written(path: Path, one_format, recordings) -> Path:  # type: ignore[no-untyped-def]
    with to_file(path, one_format) as write:
        for recording in recordings:
            write(PurePath(recording.file), recording)
    return path


def test_events_come_back_exactly(tmp_path: Path) -> None:
    events = parquet.read_events(written(tmp_path / "a.parquet", parquet.EVENTS, DETECTED))
    assert events == {"x/a, b.wav": [DOG, OWL]}
    assert [event.band for event in events["x/a, b.wav"]] == [None, (300.5, 900.0)]
    assert parquet.read_events(written(tmp_path / "a.parquet", parquet.EVENTS, DETECTED[1:])) == {}


def test_tags_come_back_exactly(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", parquet.TAGS, TAGGED)
    assert parquet.read_tags(path) == {"x/a, b.wav": [Tag("Dog", 0.75)]}


def test_another_library_finds_the_columns(tmp_path: Path) -> None:
    table = reference.read_table(written(tmp_path / "a.parquet", parquet.EVENTS, DETECTED))
    assert table.to_pydict() == {
        "file": ["x/a, b.wav"] * 2,
        "onset": [0.3125, 1.0],
        "offset": [2.5, 1.03125],
        "label": ["Dog", "Owl \u2028 é"],
        "probability": [0.75, 0.000125],
        "low_hz": [None, 300.5],
        "high_hz": [None, 900.0],
    }
    tags = reference.read_table(written(tmp_path / "b.parquet", parquet.TAGS, TAGGED))
    assert tags.to_pydict() == {"file": ["x/a, b.wav"], "label": ["Dog"], "probability": [0.75]}


def test_rows_are_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS_IN_GROUP", 5)
    recordings = [DetectedRecording(f"{n}.wav", 3.0, [DOG, OWL]) for n in range(7)]
    path = written(tmp_path / "a.parquet", parquet.EVENTS, recordings)
    metadata = reference.ParquetFile(path).metadata
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [6, 6, 2]
    assert parquet.read_events(path) == {recording.file: recording.events for recording in recordings}


def test_names_that_are_no_text_are_spelled(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", parquet.TAGS, [TAGGED[0]._replace(file="a\udcff.wav")])
    assert reference.read_table(path).column("file").unique().to_pylist() == [r"a\udcff.wav"]
    assert list(parquet.read_tags(path)) == ["a\udcff.wav"]


def test_tables_of_others(tmp_path: Path) -> None:
    table = pa.table({"label": ["Dog"], "onset": pa.array([1], pa.int32()), "offset": [2.5], "more": [True]})
    reference.write_table(table, tmp_path / "a.parquet")
    assert parquet.read_events(tmp_path / "a.parquet") == {"": [SoundEvent("Dog", 1.0, 2.5, 1.0)]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"onset": [1.0], "offset": [2.0], "lable": ["a"]},
            ": has no column 'label', found .*; did you mean 'lab",
        ),
        ({"onset": ["x"], "offset": [2.0], "label": ["a"]}, ": cannot be read as Parquet: .*"),
        ({"onset": [1.0, None], "offset": [2.0, 3.0], "label": ["a", "a"]}, ", row 2: expected 0 <= onset"),
        ({"onset": [1.0], "offset": [2.0], "label": ["a"], "probability": [3.0]}, ", row 1: expected a prob"),
        (
            {"onset": [1.0], "offset": [2.0], "label": ["a"], "low_hz": [9.0], "high_hz": [3.0]},
            ", row 1: expected 0 <= low <= high frequency, got 9 and 3 Hz",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, columns: dict[str, list[object]], message: str) -> None:
    reference.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=rf"a\.parquet{message}"):
        parquet.read_events(tmp_path / "a.parquet")


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet: [^\n]+$"):
        parquet.read_events(tmp_path / "a.parquet")


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(AttributeError), to_file(tmp_path / "a.parquet", parquet.EVENTS) as write:
        write(PurePath("a"), None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_gets_a_file_for_each_recording(tmp_path: Path) -> None:
    to_folder(tmp_path, parquet.EVENTS)(PurePath("deep/a.wav"), DETECTED[0])
    assert parquet.read_events(tmp_path / "deep/a.parquet") == {"x/a, b.wav": [DOG, OWL]}


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with (
        pytest.raises(MissingExtraError, match=r"writing Parquet needs .* pip install 'htsat\[parquet\]'"),
        to_file(tmp_path / "a.parquet", parquet.EVENTS),
    ):
        pass
    with pytest.raises(MissingExtraError, match="reading Parquet needs"):
        parquet.read_events(tmp_path / "a.parquet")
