"""`htsat segments`: files that people can look through, and `htsat finetune` can learn from."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.cli.main import main
from htsat.data.manifest import read_data

FOUND = {
    "20240601_0530.wav": [
        ("Dog", 0.2, 0.5, 0.9),
        ("Dog", 0.9, 1.2, 0.4),
        ("Male speech, man speaking", 0.0, 1.5, 0.8),
    ],
    "20240601_0630.WAV": [("Dog", 1.0, 1.1, 0.7)],
    "deep/20240602_053000.flac": [("Siren", 0.5, 3.5, 0.6)],
}


@pytest.fixture
def events(recordings: Path, tmp_path: Path) -> Path:
    path = tmp_path / "found.jsonl"
    lines = [
        {
            "file": str(recordings / name),
            "duration": 9.0,
            "events": [
                {"label": label, "onset": onset, "offset": offset, "probability": probability}
                for label, onset, offset, probability in found
            ],
        }
        for name, found in FOUND.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def cut(*arguments: object) -> int:
    return main(["segments", *map(str, arguments)])


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_segments_are_the_recording_with_context(recordings, events, tmp_path, capsys):
    folder = tmp_path / "review"
    assert cut(recordings, "--events", events, "-o", folder, "--context", 0.1) == 0
    assert files_in(folder) == [
        "Dog/20240601_0530_00000.100s_0.900.flac",
        "Dog/20240601_0530_00000.800s_0.400.flac",
        "Dog/20240601_0630_00000.900s_0.700.flac",
        "Male speech; man speaking/20240601_0530_00000.000s_0.800.flac",
        "Siren/deep_20240602_053000_00000.400s_0.600.flac",
        "segments.csv",
    ]
    segment, rate = soundfile.read(folder / "Dog" / "20240601_0630_00000.900s_0.700.flac", dtype="int16")
    whole, _ = soundfile.read(recordings / "20240601_0630.WAV", dtype="int16")
    assert rate == 8000
    np.testing.assert_array_equal(segment, whole[7200:9600])
    with (folder / "segments.csv").open() as file:
        rows = {row["segment"]: row for row in csv.DictReader(file)}
    assert rows["Dog/20240601_0630_00000.900s_0.700.flac"] == {
        "segment": "Dog/20240601_0630_00000.900s_0.700.flac",
        "recording": str(recordings / "20240601_0630.WAV"),
        "from_s": "0.9000",
        "to_s": "1.2000",
        "class": "Dog",
        "probability": "0.700000",
    }
    assert "5 segments written" in capsys.readouterr().err


def test_finetune_reads_the_folder_after_wrong_ones_were_moved_away(recordings, events, tmp_path):
    folder = tmp_path / "review"
    assert cut(recordings, "--events", events, "-o", folder) == 0
    (folder / "Dog").rename(folder / "_negative")
    manifest = read_data(folder, frozenset((".flac",)))
    assert list(manifest.labels) == ["Male speech; man speaking", "Siren"]
    assert [clip.labels for clip in manifest.clips].count(()) == 3


def test_what_is_there_or_was_moved_away_is_not_written_again(recordings, events, tmp_path, capsys):
    folder = tmp_path / "review"
    assert cut(recordings, "--events", events, "-o", folder, "--per-class", 1) == 0
    first = files_in(folder)
    marked = next((folder / "Dog").iterdir())
    marked.write_text("mine")
    next((folder / "Siren").iterdir()).unlink()
    assert cut(recordings, "--events", events, "-o", folder) == 0
    assert marked.read_text() == "mine"
    assert "2 segments written" in capsys.readouterr().err
    assert len(files_in(folder)) == len(first) + 2 - 1
    (folder / "segments.csv").unlink()
    assert cut(recordings, "--events", events, "-o", folder) == 0
    assert marked.read_text() == "mine"
    assert len((folder / "segments.csv").read_text().splitlines()) == 1 + 5


def test_limits_formats_and_long_events(recordings, events, tmp_path):
    folder = tmp_path / "review"
    options = ("--per-class", 1, "--format", "wav", "--longest", 1, "--context", 0)
    assert cut(recordings, "--events", events, "-o", folder, *options) == 0
    assert files_in(folder)[:1] == ["Dog/20240601_0530_00000.200s_0.900.wav"]
    siren = soundfile.info(next((folder / "Siren").iterdir()))
    assert (siren.format, siren.duration) == ("WAV", 1.0)


def test_segments_of_what_is_heard_now(htsat, recordings, tmp_path):
    command = ("segments", recordings, "-o", tmp_path / "review", "--threshold", 0.3, "--clip-threshold", 0)
    assert htsat(*command, "--choose", "spread", "--per-class", 2) == 0
    assert (
        htsat("detect", recordings, "--threshold", 0.3, "--clip-threshold", 0, "-o", tmp_path / "a.csv") == 0
    )
    assert (
        cut(
            recordings,
            "--events",
            tmp_path / "a.csv",
            "-o",
            tmp_path / "b",
            "--choose",
            "spread",
            "--per-class",
            2,
        )
        == 0
    )
    assert files_in(tmp_path / "review") == files_in(tmp_path / "b")
    assert len(files_in(tmp_path / "b")) > 1


def test_bad_recordings_are_named_and_the_others_go_on(recordings, events, tmp_path, capsys):
    (recordings / "20240601_0530.wav").write_text("no sound")
    (recordings / "new.wav").write_text("not in the list")
    assert cut(recordings, "--events", events, "-o", tmp_path / "review") == 1
    said = capsys.readouterr().err
    assert "20240601_0530.wav: cannot be decoded" in said
    assert f"new.wav: {events} tells nothing of it" in said
    assert len(files_in(tmp_path / "review")) == 2 + 1


def test_events_after_the_end_are_named(recordings, tmp_path, capsys):
    table = tmp_path / "found.csv"
    table.write_text(f"file,onset,offset,label\n{recordings}/20240601_0530.wav,7,8,Dog\n")
    assert cut(recordings / "20240601_0530.wav", "--events", table, "-o", tmp_path / "review") == 1
    assert "ends before 6.500 s, where an event should be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "FILE"), "-o needs a folder, and"),
        (("-o", "out", "--longest", "0"), "--longest must be at least 0.1 s, got 0"),
        (("-o", "out", "--threshold", "0.5"), "--threshold is about listening, and --events takes"),
        (("-o", "out", "--choose", "worst"), "invalid choice: 'worst'"),
        (("TWIN", "-o", "out"), "would both be named 20240601_0530_..."),
    ],
)
def test_wrong_use_is_explained(recordings, events, tmp_path, capsys, arguments, message):
    twin = tmp_path / "twin" / "20240601_0530.flac"
    twin.parent.mkdir()
    twin.touch()
    named = [
        str({"FILE": events, "out": tmp_path / "out", "TWIN": twin}.get(word, word)) for word in arguments
    ]
    assert cut(recordings / "20240601_0530.wav", *named, "--events", events) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,onset,offset,label\nother.wav,1,2,Dog\n", "names none of the recordings, but other.wav"),
        ("onset,offset,label\n1,2,Dog\n", "does not say which recording it is about, and there are 3"),
    ],
)
def test_events_that_do_not_fit(recordings, tmp_path, capsys, table, message):
    (tmp_path / "found.csv").write_text(table)
    assert cut(recordings, "--events", tmp_path / "found.csv", "-o", tmp_path / "out") == 1
    assert message in capsys.readouterr().err


def test_another_list_in_the_folder_is_refused(recordings, events, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "segments.csv").write_text("mine\n")
    assert cut(recordings, "--events", events, "-o", tmp_path / "out") == 1
    assert "is not a list of segments; choose another folder" in capsys.readouterr().err
