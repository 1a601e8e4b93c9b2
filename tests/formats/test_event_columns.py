from __future__ import annotations

from pathlib import Path

import pytest

from htsat.errors import DataError
from htsat.formats import csv, raven
from htsat.formats.reading import read_recordings
from htsat.scores import SoundEvent

DOG = SoundEvent("dog", 0.5, 1.5, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        "onset,offset,label\n0.5,1.5,dog\n",
        "Start Time (s);End Time (s);Class\n0,5;1,5;dog\n",
        "begin_time\tend_time\tspecies\n0.5\t1.5\tdog\n",
        'label,stop,start\n"dog",1.5,0.5\n',
        "start_s,end_s,event_label\n0.5,1.5,dog\n",
        "Start (s),End (s),Scientific name,Common name,Confidence\n0.5,1.5,,dog,1\n",
        "start_time_seconds\tend_time_seconds\tlabel\n0.5\t1.5\tdog\n",
        "tmin,tier,text,tmax\n0.5,events,dog,1.5\n,,,\n",
    ],
)
def test_usual_names_of_columns_are_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert csv.read_events(tmp_path / "a.csv") == {"": [DOG]}


def test_tables_with_tabs_have_no_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('onset\toffset\tlabel\n0\t1\t"dog\n0\t1\tcat\n')
    assert [event.label for event in csv.read_events(tmp_path / "a.tsv")[""]] == ['"dog', "cat"]


def test_of_several_label_columns_the_first_that_is_filled_counts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("start,end,species,label\n0,1,owl,\n1,2,,call\n")
    with pytest.raises(DataError, match=r"a\.csv, line 2: expected .* a label"):
        csv.read_events(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("start,end,species,label\n0,1,owl,\n1,2,owl,\n")
    assert {event.label for event in csv.read_events(tmp_path / "a.csv")[""]} == {"owl"}


RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\t"


def test_a_raven_selection_counts_once_whatever_its_views(tmp_path: Path) -> None:
    rows = [
        f"{RAVEN}Peak Freq (Hz)\tSpecies",
        "1\tWaveform 1\t1\t0.5\t1.5\t\tdog",
        "1\tSpectrogram 1\t1\t0.5\t1.5\t812.5\tdog",
        "2\tSpectrogram 1\t1\t0.5\t1.5\t812.5\tdog",
    ]
    (tmp_path / "a.txt").write_text("\n".join(rows))
    assert raven.read_events(tmp_path / "a.txt") == {"": [DOG, DOG]}


def test_raven_tables_of_several_files_have_times_within_each(tmp_path: Path) -> None:
    header = f"{RAVEN}Begin File\tAnnotation"
    rows = ["1\tSpectrogram 1\t1\t0.5\t1.5\ta.wav\tdog", "2\tSpectrogram 1\t1\t60.5\t61.5\tb.wav\tdog"]
    (tmp_path / "all.txt").write_text("\n".join([header, *rows]))
    with pytest.raises(DataError, match=r"all\.txt: selections of several files need .*'File Offset \(s\)'"):
        raven.read_events(tmp_path / "all.txt")
    rows = [f"{row}\t0.5" for row in rows]
    (tmp_path / "all.txt").write_text("\n".join([f"{header}\tFile Offset (s)", *rows]))
    assert raven.read_events(tmp_path / "all.txt") == {"a.wav": [DOG], "b.wav": [DOG]}


def test_a_raven_table_without_labels_names_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(f"{RAVEN}Remark\n")
    with pytest.raises(
        DataError, match=r"need a column 'label' \(.*annotation.*found Selection, View, .*Remark"
    ):
        raven.read_events(tmp_path / "a.txt")


def test_a_table_of_more_columns_than_are_read(tmp_path: Path) -> None:
    more = ",".join(map(str, range(4093)))
    (tmp_path / "a.csv").write_text(f"onset,offset,label,{more}\n0.5,1.5,dog\n")
    assert csv.read_events(tmp_path / "a.csv") == {"": [DOG]}
    (tmp_path / "a.csv").write_text(f"onset,offset,label,{more},\n0.5,1.5,dog\n")
    for name in ("csv", "raven", None):
        with pytest.raises(DataError, match=r"a\.csv: has 4,097 columns, at most 4,096 are read"):
            read_recordings(tmp_path / "a.csv", name)
