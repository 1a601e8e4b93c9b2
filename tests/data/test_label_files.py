from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from htsat.data.label_files import LabelFile, UnknownFormatError, read_label_file
from htsat.errors import DataError
from htsat.formats import EVENT_FORMATS, DetectedRecording
from htsat.scores import SoundEvent

EVENTS = [SoundEvent("dog", 0.5, 1.5, 1.0), SoundEvent("cat", 1.0, 2.25, 1.0)]
DOG = EVENTS[0]


@pytest.mark.parametrize("name", sorted(set(EVENT_FORMATS) - {"table"}))
def test_every_format_that_is_written_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    text_format = EVENT_FORMATS[name]
    text = text_format.header + text_format.describe(DetectedRecording("x/a.wav", 5.0, EVENTS))
    (tmp_path / "labels").write_text(text)
    file = read_label_file(tmp_path / "labels")
    assert sorted(file.of("/somewhere/x/a.wav")) == sorted(EVENTS)
    assert file.is_of_one == text_format.one_recording
    if not file.is_of_one:
        assert file.of("/somewhere/x/b.wav") == []


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf", b"onset,offset,label\n", b"WEBVTT\n"])
def test_files_without_events_say_that_nothing_is_heard(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    file = read_label_file(tmp_path / "a.txt")
    assert file.is_of_one
    assert file.of("a.wav") == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_text(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_text("0.5\t1.5\tchouette hulotte é\r\n", encoding=encoding)
    (event,) = read_label_file(tmp_path / "a.txt").of("a.wav")
    assert event == SoundEvent("chouette hulotte é", 0.5, 1.5, 1.0)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("0\t1\tdog\n2\t3\tmésange\n".encode("latin-1"))
    with pytest.raises(
        DataError, match=r"a\.txt, line 2: is neither UTF-8 nor UTF-16 text; save it as UTF-8"
    ):
        read_label_file(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A dog barks in the yard.\n", "it begins with 'A dog barks in the yard.'"),
        ("0.5 1.5 dog\n", "it begins with '0.5 1.5 dog'"),
        ("0.5,1.5,dog\n", "found the columns 0.5, 1.5, dog"),
        ("time,f0\n0,440\n", "found the columns time, f0"),
        ('{"title": "yard"}\n', "it begins with"),
    ],
)
def test_other_files_are_unknown(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(UnknownFormatError, match=rf"a\.txt: is no file of strong labels: .*{message}"):
        read_label_file(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("name", "recording", "is_meant"),
    [
        ("b.wav", "/data/sub/b.wav", True),
        ("b", "/data/sub/b.wav", True),
        ("sub/b.wav", "/data/sub/b.wav", True),
        ("sub/b", "/data/sub/b.wav", True),
        ("./sub/b.wav", "/data/sub/b.wav", True),
        ("../up/../sub/b.wav", "/data/sub/b.wav", True),
        (r"sub\b.wav", "/data/sub/b.wav", True),
        (r"C:\old\sub\b.wav", "/data/sub/b.wav", True),
        (unicodedata.normalize("NFD", "é.wav"), unicodedata.normalize("NFC", "/data/é.wav"), True),
        ("a.b", "/data/a.b.wav", True),
        ("shard.tar[512]", "/data/shard.tar[512]", True),
        ("other/b.wav", "/data/sub/b.wav", False),
        ("b.flac", "/data/sub/b.wav", False),
        ("a", "/data/a.b.wav", False),
        ("bb.wav", "/data/b.wav", False),
        ("/data/sub/b.wav", "b.wav", True),
    ],
)
def test_names_mean_recordings(name: str, recording: str, is_meant: bool) -> None:
    assert LabelFile({name: [DOG]}).of(recording) == [DOG] * is_meant


def test_absolute_names_count_from_the_folder_that_they_share() -> None:
    file = LabelFile({"/old/x/01.wav": [DOG], "/old/y/01.wav": EVENTS, "/old/y/02.wav": []})
    assert file.of("/new/x/01.wav") == [DOG]
    assert file.of("/new/y/01.wav") == EVENTS
    assert file.of("/new/z/01.wav") == []
    assert file.names == ("x/01.wav", "y/01.wav", "y/02.wav")


def test_relative_paths_of_recordings_are_those_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert LabelFile({f"{tmp_path.name}/a.wav": [DOG]}).of("a.wav") == [DOG]


def test_names_of_one_recording_add_up() -> None:
    assert LabelFile({"a.wav": [DOG], "a": EVENTS[1:], "x/a.wav": []}).of("/x/a.wav") == EVENTS
