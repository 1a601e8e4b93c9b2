from __future__ import annotations

import csv as standard_csv
import json
from pathlib import Path, PurePath

import pytest

from htsat.errors import ConfigError, DataError
from htsat.formats import (
    EVENT_FORMATS,
    TAG_FORMATS,
    DetectedRecording,
    TaggedRecording,
    audacity,
    csv,
    dcase,
    jsonl,
    raven,
)
from htsat.formats.output import check_own_paths, to_file, to_folder
from htsat.scores import SoundEvent, Tag

LABEL = 'Speech, "close"'
EVENTS = [SoundEvent(LABEL, 0.3125, 2.5, 0.75), SoundEvent("Hund \u2028 bellt", 1.0, 1.03125, 0.000125)]
TAGS = [Tag(LABEL, 0.75), Tag("Hund \u2028 bellt", 0.000125)]
DETECTED = [DetectedRecording("x/a b.wav", 10.5, EVENTS), DetectedRecording("y/c.wav", 1.0, [])]
TAGGED = [TaggedRecording("x/a b.wav", 10.5, TAGS), TaggedRecording("y/c.wav", 1.0, [])]
ROUNDED = [EVENTS[0], EVENTS[1]._replace(offset_s=1.0312)]


def written(path: Path, text_format, recordings) -> Path:  # type: ignore[no-untyped-def]
    with to_file(path, text_format) as write:
        for recording in recordings:
            write(PurePath(recording.file), recording)
    return path


def test_csv_there_and_back(tmp_path: Path) -> None:
    events = csv.read_events(written(tmp_path / "events.csv", csv.EVENTS, DETECTED))
    assert events == {"x/a b.wav": ROUNDED}
    assert csv.read_tags(written(tmp_path / "tags.csv", csv.TAGS, TAGGED)) == {"x/a b.wav": TAGS}


def test_jsonl_there_and_back(tmp_path: Path) -> None:
    events = jsonl.read_events(written(tmp_path / "events.jsonl", jsonl.EVENTS, DETECTED))
    assert events == [DETECTED[0]._replace(events=ROUNDED), DETECTED[1]]
    assert jsonl.read_tags(written(tmp_path / "tags.jsonl", jsonl.TAGS, TAGGED)) == TAGGED


def test_raven_there_and_back(tmp_path: Path) -> None:
    events = raven.read_events(written(tmp_path / "a.txt", raven.EVENTS, DETECTED[:1]))
    assert events == {"": [ROUNDED[0], ROUNDED[1]._replace(label="Hund bellt")]}
    assert [event.band for event in events[""]] == [(0, 8000)] * 2


def test_formats_without_probability_come_back_as_certain(tmp_path: Path) -> None:
    expected = [
        ROUNDED[0]._replace(probability=1.0),
        ROUNDED[1]._replace(probability=1.0, label="Hund bellt"),
    ]
    assert audacity.read_events(written(tmp_path / "a.txt", audacity.EVENTS, DETECTED[:1])) == expected
    assert dcase.read_events(written(tmp_path / "a.tsv", dcase.EVENTS, DETECTED)) == {"a b.wav": expected}


def test_the_columns_of_the_contract(tmp_path: Path) -> None:
    assert csv.TAGS.header == "file,label,probability\n"
    assert csv.EVENTS.header == "file,onset,offset,label,probability\n"
    assert dcase.EVENTS.header == "filename\tonset\toffset\tevent_label\n"
    assert raven.EVENTS.header.rstrip("\n").split("\t") == [
        *(
            "Selection",
            "View",
            "Channel",
            "Begin Time (s)",
            "End Time (s)",
            "Low Freq (Hz)",
            "High Freq (Hz)",
        ),
        *("Annotation", "Score"),
    ]
    tagged = json.loads(jsonl.TAGS.describe(TAGGED[0]))
    assert tagged == {
        "file": "x/a b.wav",
        "duration": 10.5,
        "tags": [{"label": label, "probability": probability} for label, probability in TAGS],
    }
    detected = json.loads(jsonl.EVENTS.describe(DETECTED[0]))
    assert list(detected) == ["file", "duration", "events"]
    assert detected["events"][0] == {"label": LABEL, "onset": 0.3125, "offset": 2.5, "probability": 0.75}


def test_audacity_lines() -> None:
    assert audacity.EVENTS.describe(DETECTED[0]).splitlines()[0] == f"0.3125\t2.5000\t{LABEL}"


def test_audacity_lines_with_frequencies_belong_to_the_label_before(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(
        "0,5\t1,5\tDog\n\\\t100,5\t2000.0\n\n2.0\t3.0\tCat\tbig\n4\t5\tOwl\n\\\t-1\t900\n"
    )
    expected = [SoundEvent("Dog", 0.5, 1.5, 1.0), SoundEvent("Cat\tbig", 2.0, 3.0, 1.0)]
    events = audacity.read_events(tmp_path / "labels.txt")
    assert events == [*expected, SoundEvent("Owl", 4.0, 5.0, 1.0)]
    assert [event.band for event in events] == [(100.5, 2000.0), None, None]


def test_a_dcase_file_without_events_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("filename\tonset\toffset\tevent_label\nx.wav\t\t\t\n")
    assert dcase.read_events(tmp_path / "a.tsv") == {"x.wav": []}


def test_raven_numbers_its_selections() -> None:
    rows = list(
        standard_csv.DictReader(
            (raven.EVENTS.header + raven.EVENTS.describe(DETECTED[0])).splitlines(), delimiter="\t", quoting=3
        )
    )
    assert [row["Selection"] for row in rows] == ["1", "2"]
    assert rows[0]["View"] == "Spectrogram 1"
    assert float(rows[0]["Low Freq (Hz)"]) < float(rows[0]["High Freq (Hz)"])


def test_tables_say_when_nothing_was_found() -> None:
    table = TAG_FORMATS["table"].describe
    assert table(TAGGED[0]).startswith(f"x/a b.wav (10.50 s)\n   0.750  {LABEL}\n")
    assert table(TAGGED[1]) == "y/c.wav (1.00 s)\n  no tags\n\n"
    table = EVENT_FORMATS["table"].describe
    assert table(DETECTED[0]).splitlines()[1] == f"       0.31 s      2.50 s   0.750  {LABEL}"
    assert table(DETECTED[1]) == "y/c.wav (1.00 s)\n  no events\n\n"


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (
            csv.read_events,
            "file,onset\na,1\n",
            "strong labels need a column 'offset' .*, found file, onset; did you",
        ),
        (csv.read_tags, "file,label,probability\na,b,c\n", "is not a CSV of tags: could not convert"),
        (csv.read_events, "start,end,label\n0,1,a\n0,1,a,b\n", "line 3: has 4 cells for 3 columns"),
        (csv.read_events, "start,end,label\n0,,a\n", "line 2: expected 0 <= onset <= offset"),
        (csv.read_events, "file,start,end,label\na,0,1,x\n,0,1,x\n", "line 3: the column 'file' is empty"),
        (csv.read_events, "start,end,label,score\n0,1,a,7\n", "line 2: expected a probability from 0 to 1"),
        (csv.read_events, "start,end,label,score\n0,1,a,ok\n", "line 2: score must be a number, got 'ok'"),
        (csv.read_events, "start (ms),end (ms),label\n0,1,a\n", "need a column 'onset' .*, found start .ms."),
        (
            jsonl.read_events,
            '\n{"file": 3}\n',
            "line 2: is not JSON Lines of sound events: no field 'events'",
        ),
        (jsonl.read_events, "[3]\n", "line 1: is not JSON Lines of sound events: list indices"),
        (jsonl.read_tags, "not json\n", "is not JSON Lines of tags: Expecting value"),
        (audacity.read_events, "1.0\t2.0\n", "line 1: expected onset, offset and label with tabs"),
        (audacity.read_events, "1.0 2.0 Dog\n", "line 1: expected onset, offset and label with tabs"),
        (audacity.read_events, "1\t2\tDog\n1\tb\tDog\n", "line 2: onset and offset must be seconds, got 'b'"),
        (audacity.read_events, "1\t2\tDog\n1\t1\tDog\n", "line 2: 'Dog' marks a point, expected a stretch"),
        (audacity.read_events, "2\t1\tDog\n", "line 1: expected 0 <= onset <= offset .* got 2, 1 and 'Dog'"),
        (audacity.read_events, "\\\t1\t2\n", "line 1: frequencies stand behind the label"),
        (audacity.read_events, "1\t2\tx\n\\\t9\n", "line 2: expected .*, low and high frequency with tabs"),
        (audacity.read_events, "1\t2\tx\n\\\t9\tb\n", "line 2: frequencies must be numbers of Hz, got 'b'"),
        (audacity.read_events, "1\t2\tx\n\\\t9\t8\n", "line 2: expected 0 <= low <= high .*, got 9 and 8 Hz"),
        (
            csv.read_events,
            "start,end,label,low_hz,high_hz\n0,1,a,-1,2\n",
            "line 2: expected 0 <= low <= high",
        ),
        (audacity.read_events, "1\t2\t \n", "line 1: expected .* a label, got 1, 2 and ''"),
        (raven.read_events, "Selection\n1\n", "strong labels need a column 'onset' .*, found Selection"),
        (dcase.read_events, "filename\tonset\nx\t1\n", "DCASE event list.* column 'offset'"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, read, text: str, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "other.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"other\.txt[:,] (.* )?{message}"):
        read(path)


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("old")
    with pytest.raises(AttributeError), to_file(path, csv.EVENTS) as write:
        write(PurePath("a"), None)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_gets_a_file_for_each_recording(tmp_path: Path) -> None:
    write = to_folder(tmp_path / "new", raven.EVENTS)
    write(PurePath("deep/a.b.wav"), DETECTED[0])
    write(PurePath("c"), DETECTED[1])
    assert raven.read_events(tmp_path / "new/deep/a.b.selections.txt")[""][0].label == LABEL
    assert (tmp_path / "new/c.selections.txt").read_text() == raven.EVENTS.header


def test_recordings_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    check_own_paths(tmp_path, [PurePath("x/a.wav"), PurePath("y/a.wav")], ".txt")
    with pytest.raises(ConfigError, match=r"a\.wav and a\.flac would both be written to .*a\.txt"):
        check_own_paths(tmp_path, [PurePath("a.wav"), PurePath("a.flac")], ".txt")
