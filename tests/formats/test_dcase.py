from __future__ import annotations

from pathlib import Path

import pytest

from htsat.errors import DataError
from htsat.formats.dcase import read_durations, read_events
from htsat.scores import SoundEvent

HEADER = "filename\tonset\toffset\tevent_label\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "ä \t.tsv"


def test_columns_in_any_order_and_more_of_them(table: Path) -> None:
    table.write_text("event_label\tscore\tfilename\toffset\tonset\nDog\t0.3\tx.wav\t2.5\t1\n")
    assert read_events(table) == {"x.wav": [SoundEvent("Dog", 1.0, 2.5, 1.0)]}


def test_recordings_without_events_have_rows_or_none(table: Path) -> None:
    table.write_text(HEADER + "x.wav\t\t\t\n\ny.wav\n", encoding="utf-8-sig", newline="\r\n")
    assert read_events(table) == {"x.wav": [], "y.wav": []}


def test_durations(table: Path) -> None:
    table.write_text("filename\tduration\nx.wav\t10.0\ny.wav\t1e2\nx.wav\t10\n")
    assert read_durations(table) == {"x.wav": 10.0, "y.wav": 100.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a DCASE event list: no column 'filename', found none"),
        (
            "filename\tonset\toffset\tlabel\n",
            "no column 'event_label', found filename, onset, offset, label; did you mean 'label'?",
        ),
        (HEADER + "x\t1\t2\tDog\ny\tone\t2\tDog\n", ", line 3: onset and offset must be seconds, got 'one'"),
        (
            HEADER + "x\t2\t1\tDog\n",
            ", line 2: expected 0 <= onset <= offset and a label, got 2, 1 and 'Dog'",
        ),
        (HEADER + "x\t-1\t1\tDog\n", ", line 2: expected 0 <= onset <= offset and a label, got -1"),
        (HEADER + "x\tnan\t1\tDog\n", ", line 2: expected 0 <= onset <= offset and a label, got nan"),
        (HEADER + "x\t1\t\tDog\n", ", line 2: expected 0 <= onset <= offset and a label, got 1, nan"),
        (HEADER + "x\t1\t2\t\n", ", line 2: expected 0 <= onset <= offset and a label, got 1, 2 and ''"),
        (HEADER + "\t1\t2\tDog\n", ", line 2: the filename is missing"),
    ],
)
def test_event_lists_that_do_not_fit_name_the_line(table: Path, text: str, message: str) -> None:
    table.write_text(text)
    with pytest.raises(DataError) as caught:
        read_events(table)
    assert str(caught.value).startswith(str(table))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename\tlength\nx\t1\n", "is not a list of durations: no column 'duration'"),
        ("filename\tduration\n", "lists no recordings"),
        ("filename\tduration\nx\n", ", line 2: expected a duration in seconds, got ''"),
        ("filename\tduration\nx\t0\n", ", line 2: expected a duration above 0 s, got 0"),
        ("filename\tduration\nx\tinf\n", ", line 2: expected a duration above 0 s, got inf"),
        ("filename\tduration\nx\t1\nx\t2\n", ", line 3: x lasts 2 s here and 1 s above"),
    ],
)
def test_durations_that_do_not_fit_name_the_line(table: Path, text: str, message: str) -> None:
    table.write_text(text)
    with pytest.raises(DataError) as caught:
        read_durations(table)
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone.tsv: No such file or directory"):
        read_events(tmp_path / "gone.tsv")
