from __future__ import annotations

from pathlib import Path

import pytest

from htsat.cli.main import main
from htsat.formats import audacity, csv, raven, textgrid
from htsat.formats.reading import read_recordings
from htsat.scores import SoundEvent

DOG, CAT = SoundEvent("Dog", 0.5, 1.5, 1.0), SoundEvent("Cat", 1.0, 4.0, 1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Labels of three recordings in three formats."""
    folder = tmp_path / "yard"
    (folder / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "a.txt").write_text("0.5\t1.5\tDog\n\\\t100\t900\n")
    (folder / "b.Table.1.selections.txt").write_text(
        "Selection\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\n"
        "1\t1\t4\t50\t60\tCat\n"
    )
    (folder / "deep/c.d.wav.csv").write_text("start,end,label\n0.5,1.5,Dog\n1,4,Cat\n")
    (folder / ".hidden/x.txt").write_text("no labels")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


def test_a_folder_becomes_one_table(folder: Path, tmp_path: Path) -> None:
    assert main(["labels", "convert", str(folder), str(tmp_path / "all.csv")]) == 0
    events = csv.read_events(tmp_path / "all.csv")
    assert events == {"a": [DOG], "b": [CAT], "deep/c.d.wav": [DOG, CAT]}
    assert [event.band for own in events.values() for event in own] == [(100, 900), (50, 60), None, None]


def test_a_table_becomes_a_folder(folder: Path, tmp_path: Path) -> None:
    assert main(["labels", "convert", str(folder), str(tmp_path / "all.jsonl")]) == 0
    assert (
        main(["labels", "convert", str(tmp_path / "all.jsonl"), f"{tmp_path}/out/", "--to", "textgrid"]) == 0
    )
    found = {path.relative_to(tmp_path / "out").as_posix(): path for path in (tmp_path / "out").rglob("*.*")}
    assert sorted(found) == ["a.TextGrid", "b.TextGrid", "deep/c.d.TextGrid"]
    assert textgrid.read_events(found["deep/c.d.TextGrid"]) == [DOG, CAT]


def test_tables_without_bands_have_the_usual_columns(folder: Path, tmp_path: Path) -> None:
    assert main(["labels", "convert", str(folder / "deep"), str(tmp_path / "a.csv")]) == 0
    assert (tmp_path / "a.csv").read_text().startswith("file,onset,offset,label,probability\n")


@pytest.mark.parametrize(
    "name",
    [
        "a.txt",
        "a.SELECTIONS.txt",
        "a.csv",
        "a.tsv",
        "a.jsonl",
        "a.parquet",
        "a.TextGrid",
        "a.vtt",
        "a.eaf",
        "a.jams",
    ],
)
def test_the_name_of_the_file_tells_its_format(folder: Path, tmp_path: Path, name: str) -> None:
    assert main(["labels", "convert", str(folder / "a.txt"), str(tmp_path / name)]) == 0
    (recording,) = read_recordings(tmp_path / name)
    assert recording.events == [DOG]
    if name == "a.SELECTIONS.txt":
        assert raven.read_events(tmp_path / name)[""][0].band == (100, 900)


def test_formats_can_be_told(folder: Path, tmp_path: Path) -> None:
    source = folder / "a.txt"
    assert (
        main(
            ["labels", "convert", str(source), str(tmp_path / "x"), "--from", "audacity", "--to", "audacity"]
        )
        == 0
    )
    assert audacity.read_events(tmp_path / "x") == [DOG]


def test_standard_output(folder: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["labels", "convert", str(folder / "a.txt"), "-", "--to", "tsv"]) == 0
    assert capsys.readouterr().out == "filename\tonset\toffset\tevent_label\na\t0.5000\t1.5000\tDog\n"
    assert main(["labels", "convert", str(folder / "a.txt"), "-"]) == 2


def test_names_of_recordings_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("file,onset,offset,label\n../../up.wav,0,1,Dog\n/abs/b.flac,0,1,Dog\n")
    assert main(["labels", "convert", str(tmp_path / "all.csv"), f"{tmp_path}/o/p/", "--to", "webvtt"]) == 0
    assert sorted(path.name for path in (tmp_path / "o/p").iterdir()) == ["b.vtt", "up.vtt"]


def test_what_cannot_be_read_is_named_and_others_go_on(folder: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    (folder / "deep/z.txt").write_text("1\t2\tDog\n2\t1\tDog\n")
    assert main(["labels", "convert", str(folder), str(tmp_path / "all.csv")]) == 1
    assert len(csv.read_events(tmp_path / "all.csv")) == 3
    expected = (
        f"htsat: {folder}/deep/z.txt, line 2: expected 0 <= onset <= offset and a label, got 2, 1 and 'Dog'\n"
    )
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("convert none.csv a.csv", 1, "none.csv: No such file or directory"),
        ("convert yard/a.txt a.foo", 2, "a.foo: its name says no format; add --to (csv, jsonl,"),
        ("convert yard/a.txt yard/", 2, "yard/ is a folder: its files need a format, --to (csv, jsonl,"),
        ("convert yard a.vtt", 2, "this format describes one recording; results of several need a folder"),
        ("convert yard/a.txt yard/a.txt", 2, "yard/a.txt is an input; results would replace it"),
        ("convert yard/a.txt a.csv --from webvtt", 1, "yard/a.txt: is not WebVTT"),
        ("convert yard/.hidden a.csv", 1, "yard/.hidden/x.txt: is no file of strong labels"),
        ("check empty", 1, "empty: no label files found (.csv, .eaf"),
        ("convert yard/a.txt", 2, "the following arguments are required: B"),
        ("chekc yard", 2, "argument command: invalid choice: 'chekc'"),
    ],
)
def test_mistakes(  # type: ignore[no-untyped-def]
    arguments: str, code: int, message: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(folder.parent)
    Path("empty").mkdir()
    assert main(["labels", *arguments.split()]) == code
    error = capsys.readouterr().err
    assert error.startswith(f"htsat: {message}")
    assert error.count("\n") == 1
    assert (folder / "a.txt").read_text().startswith("0.5\t1.5\tDog\n")


def test_check_counts_classes(folder: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    assert main(["labels", "check", str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "recordings 3, events 4, classes 2",
        "  events  recordings   seconds  median s  class",
        "       2           2       6.0      3.00  Cat",
        "       2           2       2.0      1.00  Dog",
    ]
    assert captured.err == ""


def test_check_names_what_looks_like_a_slip(folder: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    (folder / "e.csv").write_text("onset,offset,label\n0,5,Cat\n1,2,Cat\n3,4,Cat\n5,6,Cat\n7,7,dog_\n")
    assert main(["labels", "check", str(folder)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "htsat: classes 'Dog' and 'dog_' look like one",
        "htsat: e: 'dog_' at 7 s has no length",
        "htsat: e: 'Cat' from 0 to 5 s and from 1 to 2 s overlap",
        "htsat: e: 'Cat' from 0 to 5 s and from 3 to 4 s overlap",
    ]
