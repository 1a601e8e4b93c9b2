from __future__ import annotations

from pathlib import Path

import pytest

from htsat.data.clip import Clip
from htsat.data.events import EventFiles
from htsat.data.label_files import UnknownFormatError
from htsat.data.label_folder import read_labelled_folder
from htsat.data.manifest import read_data
from htsat.errors import DataError

SUFFIXES = frozenset({".wav", ".flac"})
AUDACITY = "0.5\t1.5\tdog\n2\t3\tcat\n"
COLUMNS = "file,onset,offset,label\n"
RAVEN = "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\n1\t0\t1\towl\n"


def put(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def labels_of(folder: Path) -> dict[str, tuple[str, ...]]:
    clips = read_data(folder, SUFFIXES).clips
    return {clip.path.relative_to(folder).as_posix(): clip.labels for clip in clips}


def test_label_files_beside_recordings(tmp_path: Path) -> None:
    files = {
        "a.wav": "",
        "a.txt": AUDACITY,
        "a.b.wav": "",
        "a.b.Table.1.selections.txt": RAVEN,
        "deep/c.FLAC": "",
        "deep/c.FLAC.csv": "onset,offset,label\n0,1,rain\n0,2,rain\n",
        "silent.wav": "",
        "silent.txt": "",
        ".hidden/x.wav": "",
    }
    manifest = read_data(put(tmp_path, files), SUFFIXES)
    assert manifest.clips == (
        Clip(tmp_path / "a.b.wav", ("owl",), group="a.b", events=tmp_path / "a.b.Table.1.selections.txt"),
        Clip(tmp_path / "a.wav", ("cat", "dog"), group="a", events=tmp_path / "a.txt"),
        Clip(tmp_path / "deep/c.FLAC", ("rain",), group="deep/c", events=tmp_path / "deep/c.FLAC.csv"),
        Clip(tmp_path / "silent.wav", (), group="silent", events=tmp_path / "silent.txt"),
    )
    assert manifest.labels.names == ("cat", "dog", "owl", "rain")
    assert manifest.notes == ()
    heard = EventFiles(manifest.clips).of(manifest.clips[1])
    assert [event[:3] for event in heard] == [("dog", 0.5, 1.5), ("cat", 2.0, 3.0)]


def test_one_table_for_all_recordings(tmp_path: Path) -> None:
    table = "filename\tonset\toffset\tevent_label\nx/01.wav\t0\t1\tdog\ny/01.wav\t\t\t\nb\t2\t3\tcat\n"
    files = {"x/01.wav": "", "y/01.wav": "", "b.wav": "", "meta/events.tsv": table}
    assert labels_of(put(tmp_path, files)) == {"b.wav": ("cat",), "x/01.wav": ("dog",), "y/01.wav": ()}
    clips = read_data(tmp_path, SUFFIXES).clips
    files_of_events = EventFiles(clips)
    assert [len(files_of_events.of(clip)) for clip in clips] == [1, 1, 0]


def test_what_nothing_is_known_of_is_left_out_and_named(tmp_path: Path) -> None:
    table = "file,start,end,label\na.wav,0,1,dog\ngone.wav,0,1,dog\n"
    put(tmp_path, {"a.wav": "", "b.wav": "", "c.wav": "", "labels.csv": table, "lost.txt": AUDACITY})
    manifest = read_data(tmp_path, SUFFIXES)
    assert [clip.path.name for clip in manifest.clips] == ["a.wav"]
    assert manifest.notes == (
        f"2 recordings have no label file and are left out; the first: {tmp_path / 'b.wav'}",
        f"2 recordings that label files name are not there; the first: gone.wav ({tmp_path / 'labels.csv'})",
    )
    assert read_labelled_folder(tmp_path, SUFFIXES).missing[1] == f"the recording of {tmp_path / 'lost.txt'}"


def test_one_is_told_of_in_the_singular(tmp_path: Path) -> None:
    table = "file,start,end,label\na.wav,0,1,dog\ngone.wav,0,1,dog\n"
    put(tmp_path, {"a.wav": "", "b.wav": "", "labels.csv": table})
    assert read_data(tmp_path, SUFFIXES).notes == (
        f"1 recording has no label file and is left out; the first: {tmp_path / 'b.wav'}",
        f"1 recording that label files name is not there; the first: gone.wav ({tmp_path / 'labels.csv'})",
    )


def test_label_files_win_over_folders_of_classes(tmp_path: Path) -> None:
    put(tmp_path, {"dog/a.wav": "", "dog/a.txt": "recorded in the yard", "rain/b.wav": ""})
    assert labels_of(tmp_path) == {"dog/a.wav": ("dog",), "rain/b.wav": ("rain",)}
    put(tmp_path, {"rain/b.txt": AUDACITY})
    with pytest.raises(DataError, match=r"dog/a\.txt: is no file of strong labels: .*'recorded in the yard'"):
        read_data(tmp_path, SUFFIXES)
    (tmp_path / "dog/a.txt").unlink()
    assert labels_of(tmp_path) == {"rain/b.wav": ("cat", "dog")}


def test_texts_that_are_no_labels_do_not_disturb_folders_of_classes(tmp_path: Path) -> None:
    put(tmp_path, {"dog/a.wav": "", "dog/a.csv": "time,f0\n0,440\n", "empty.txt": ""})
    (tmp_path / "dog/read me.txt").write_bytes("Français".encode("latin-1"))
    (tmp_path / "dog/folder.txt").mkdir()
    assert labels_of(tmp_path) == {"dog/a.wav": ("dog",)}


def test_recordings_that_differ_in_their_suffix_share_labels_and_group(tmp_path: Path) -> None:
    clips = read_data(put(tmp_path, {"a.wav": "", "a.flac": "", "a.txt": AUDACITY}), SUFFIXES).clips
    assert [(clip.path.suffix, clip.group, len(clip.labels)) for clip in clips] == [
        (".flac", "a", 2),
        (".wav", "a", 2),
    ]


def test_classes_come_in_the_order_of_their_list(tmp_path: Path) -> None:
    put(tmp_path, {"a.wav": "", "a.txt": AUDACITY, "labels.txt": "dog\nbird\ncat\n"})
    assert read_data(tmp_path, SUFFIXES).labels.names == ("dog", "bird", "cat")


def test_detections_of_a_folder_can_be_learned_from(tmp_path: Path) -> None:
    line = '{"file": "%s", "duration": 5.0, "events": %s}\n'
    event = '[{"label": "dog", "onset": 1.0, "offset": 2.0, "probability": 0.5}]'
    text = line % ("elsewhere/a.wav", event) + line % ("elsewhere/b.wav", "[]")
    put(tmp_path / "elsewhere", {"a.wav": "", "b.wav": "", "found.jsonl": text})
    assert labels_of(tmp_path / "elsewhere") == {"a.wav": ("dog",), "b.wav": ()}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": AUDACITY, "a.csv": COLUMNS}, r"a\.wav: has labels in .*a\.csv and in .*a\.txt; keep one"),
        ({"a.txt": AUDACITY, "all.csv": f"{COLUMNS}a,0,1,x\n"}, r"a\.wav: has labels in .*txt and in .*all"),
        ({"a.csv": f"{COLUMNS}b.wav,0,1,x\n"}, r"a\.csv: is about b\.wav, not about a\.wav beside it"),
        ({"x/a.wav": "", "all.csv": f"{COLUMNS}a.wav,0,1,x\n"}, r"all\.csv: 'a\.wav' may be .* or .*; name"),
        ({"a.txt": f"{AUDACITY}oops\n"}, r"a\.txt, line 3: expected onset, offset and label with tabs"),
        ({"a.txt": AUDACITY, "labels.txt": "dog\n"}, r"a\.wav: .*'cat'"),
    ],
)  # fmt: skip
def test_folders_that_contradict_themselves_are_refused(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_data(put(tmp_path, {"a.wav": "", **files}), SUFFIXES)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.wav": ""}, "no files of strong labels"),
        ({"a.wav": "", "a.txt": "0.5 1.5 dog"}, r"a\.txt: is no file of strong labels: .*'0.5 1.5 dog'"),
        ({"a.wav": "", "b.txt": AUDACITY}, r"strong labels of no recording that is there: .*b\.txt"),
    ],
)
def test_other_folders_say_why(tmp_path: Path, files: dict[str, str], message: str) -> None:
    put(tmp_path, files)
    with pytest.raises(UnknownFormatError, match=message):
        read_labelled_folder(tmp_path, SUFFIXES)
    with pytest.raises(DataError, match=rf"no recordings in folders named after their class; .*{message}"):
        read_data(tmp_path, SUFFIXES)
