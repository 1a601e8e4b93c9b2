from __future__ import annotations

from pathlib import Path

import pytest

from htsat.data.clip import Clip, Member
from htsat.data.events import EventFiles, file_name, write_events
from htsat.errors import DataError
from htsat.scores import SoundEvent


def heard(clip: Clip) -> list[tuple[str, float, float]]:
    return [event[:3] for event in EventFiles([clip]).of(clip)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.tsv"
    path.write_text("onset\toffset\tevent_label\n1\t2.5\tdog\n4\t6\tMale speech, man speaking\n")
    return path


def test_times_count_from_the_start_of_the_clip(tmp_path: Path, table: Path) -> None:
    whole = Clip(tmp_path / "a.wav", (), events=table)
    assert heard(whole) == [("dog", 1.0, 2.5), ("Male speech, man speaking", 4.0, 6.0)]
    part = Clip(tmp_path / "a.wav", (), 2.0, 3.0, events=table)
    assert heard(part) == [("dog", 0.0, 0.5), ("Male speech, man speaking", 2.0, 3.0)]
    assert heard(Clip(tmp_path / "a.wav", (), 2.5, 1.5, events=table)) == []
    assert heard(Clip(tmp_path / "a.wav", ())) == []


def test_events_without_length_are_told_and_not_heard(tmp_path: Path, table: Path) -> None:
    table.write_text("onset\toffset\tevent_label\n1\t1\tdog\n2\t9\tcat\n")
    clip = Clip(tmp_path / "a.wav", (), 2.0, 3.0, events=table)
    files = EventFiles([clip])
    assert [event[:3] for event in files.of(clip)] == [("cat", 0.0, 3.0)]
    assert [event[:3] for event in files.told_of(clip)] == [("dog", 1.0, 1.0), ("cat", 2.0, 9.0)]
    assert files.told_of(Clip(tmp_path / "a.wav", ())) == ()


def test_a_clip_has_the_events_of_its_recording_in_any_format(tmp_path: Path) -> None:
    (tmp_path / "track.txt").write_text("0.5\t2\tdog\n")
    (tmp_path / "captions.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:03.000\ncat\n")
    assert heard(Clip(tmp_path / "a.wav", (), 1.0, events=tmp_path / "track.txt")) == [("dog", 0.0, 1.0)]
    assert heard(Clip(tmp_path / "a.wav", (), 1.0, events=tmp_path / "captions.vtt")) == [("cat", 0.0, 2.0)]


def test_rows_of_other_recordings_do_not_count(tmp_path: Path) -> None:
    table = tmp_path / "all.tsv"
    rows = ["a.wav\t0\t1\tdog", "b.wav\t2\t3\tcat", "c.wav\t\t\t", "shard.tar[512]\t4\t5\tdog"]
    table.write_text("\n".join(["filename\tonset\toffset\tevent_label", *rows]))
    assert heard(Clip(tmp_path / "sub" / "b.wav", (), events=table)) == [("cat", 2.0, 3.0)]
    assert heard(Clip(tmp_path / "c.wav", (), events=table)) == []
    packed = Clip(tmp_path / "shard.tar", (), events=table, place=Member(512, 10))
    assert heard(packed) == [("dog", 4.0, 5.0)]


def test_events_survive_writing_and_reading(tmp_path: Path) -> None:
    clips = [Clip(tmp_path / f"{name}.wav", (), events=tmp_path / "e.tsv") for name in ('a "b" é', "silent")]
    events = (SoundEvent("dog", 0.1, 0.30000000000000004, 1.0), SoundEvent("dog", 2.0, 3.0, 1.0))
    write_events(tmp_path / "e.tsv", [(file_name(clips[0]), events), (file_name(clips[1]), ())])
    files = EventFiles(clips)
    assert [files.of(clip) for clip in clips] == [events, ()]


HEADER = "onset\toffset\tevent_label\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("onset\tofset\tevent_label\n", "is no file of strong labels: .* columns onset, ofset, event_label"),
        (HEADER + "1\t2\tdog\none\t2\tdog\n", "line 3: onset and offset must be seconds, got 'one'"),
        (HEADER + "2\t1\tdog\n", "line 2: expected 0 <= onset <= offset .* got 2, 1 and 'dog'"),
        (HEADER + "1\t2\t\n", "line 2: expected .* a label, got 1, 2 and ''"),
        (HEADER + "1\t\tdog\n", "line 2: expected .* got 1, nan and 'dog'"),
        ("not labels", "is no file of strong labels: .*; it begins with 'not labels'"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "e.tsv").write_text(text)
    with pytest.raises(DataError, match=rf"e\.tsv.*{message}"):
        EventFiles([Clip(tmp_path / "a.wav", (), events=tmp_path / "e.tsv")])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.tsv: No such file or directory"):
        EventFiles([Clip(tmp_path / "a.wav", (), events=tmp_path / "gone.tsv")])


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    path = tmp_path / "e.tsv"
    write_events(path, [("\udcff.wav", (SoundEvent("dog", 0.0, 1.0, 1.0),))])
    assert path.read_bytes().endswith(b"\xff.wav\t0.0\t1.0\tdog\n")
    assert heard(Clip(tmp_path / "\udcff.wav", (), events=path)) == [("dog", 0.0, 1.0)]


@pytest.mark.parametrize("name", ["a\tb.wav", "a\nb.wav", "a\rb.wav"])
def test_names_that_would_break_a_row_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="a name with a tab or the end of a line cannot stand in a table"):
        write_events(tmp_path / "e.tsv", [(name, ())])
    assert not list(tmp_path.iterdir())
