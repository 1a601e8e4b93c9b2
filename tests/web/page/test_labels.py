from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from htsat.audio import SUFFIXES
from htsat.data.events import EventFiles
from htsat.data.manifest import read_data
from htsat.errors import DataError
from htsat.scores import SoundEvent
from htsat.web.page import labels as labels_module
from htsat.web.page.label_input import MAX_EVENTS, parse_labels
from htsat.web.page.labels import Labels, label_path, labelled_in, read_labels, remove_labels, save_labels
from htsat.web.page.problems import CannotSaveError, LabelsElsewhereError, UnreadableLabelsError
from htsat.web.problems import BadRequestError

ODD = 'Dog, "big"; ü 日本 <b>'
EVENTS = [SoundEvent("dog", 0.1, 0.30000000000000004, 1.0), SoundEvent(ODD, 1.0, 2e-05 + 1, 1.0)]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "Vögel, am See.wav"
    path.write_bytes(b"sound")
    return path


def learned(folder: Path) -> dict[str, list[SoundEvent]]:
    """What `htsat finetune` and `htsat tune` read in a folder."""
    manifest = read_data(folder, SUFFIXES)
    files = EventFiles(manifest.clips)
    return {clip.path.name: list(files.told_of(clip)) for clip in manifest.clips}


def test_saved_labels_are_those_that_training_reads(recording: Path) -> None:
    save_labels(recording, Labels(True, EVENTS))
    assert read_labels(recording) == Labels(True, EVENTS)
    assert learned(recording.parent) == {recording.name: EVENTS}
    assert read_data(recording.parent, SUFFIXES).labels.names == tuple(sorted(["dog", ODD]))


def test_nothing_is_heard(recording: Path) -> None:
    save_labels(recording, Labels(True, []))
    assert read_labels(recording) == Labels(True, [])
    assert learned(recording.parent) == {recording.name: []}


def test_drafts_are_not_learned_from(recording: Path) -> None:
    other = recording.with_name("other.wav")
    other.write_bytes(b"sound")
    save_labels(other, Labels(True, []))
    save_labels(recording, Labels(False, EVENTS))
    assert read_labels(recording) == Labels(False, EVENTS)
    assert learned(recording.parent) == {"other.wav": []}
    save_labels(recording, Labels(True, EVENTS[:1]))
    assert learned(recording.parent) == {"other.wav": [], recording.name: EVENTS[:1]}
    save_labels(recording, Labels(False, EVENTS))
    assert read_labels(recording) == Labels(False, EVENTS)
    assert learned(recording.parent) == {"other.wav": []}


def test_recordings_of_any_name(tmp_path: Path) -> None:
    for name in ("sound.dat", "sound", "a.b.c"):
        path = tmp_path / name
        path.write_bytes(b"sound")
        save_labels(path, Labels(True, EVENTS))
        assert read_labels(path) == Labels(True, EVENTS)


def test_forgetting(recording: Path) -> None:
    assert read_labels(recording) is None
    remove_labels(recording)
    for reviewed in (True, False):
        save_labels(recording, Labels(reviewed, EVENTS))
        remove_labels(recording)
        assert read_labels(recording) is None
        assert [path.name for path in recording.parent.iterdir()] == [recording.name]


@pytest.mark.parametrize("name", ["a.txt", "a.wav.txt", "a.Table.1.selections.txt", "a.wav.csv"])
def test_labels_of_other_programs_are_read_and_kept_aside(tmp_path: Path, name: str) -> None:
    recording = tmp_path / "a.wav"
    recording.write_bytes(b"sound")
    foreign = (
        "Begin Time (s),End Time (s),Annotation\n0.5,1.5,owl\n" if name.endswith("csv") else "0.5\t1.5\towl\n"
    )
    (tmp_path / name).write_text(foreign)
    before = Labels(True, [SoundEvent("owl", 0.5, 1.5, 1.0)])
    assert read_labels(recording) == before
    assert learned(tmp_path) == {"a.wav": before.events}
    save_labels(recording, Labels(True, EVENTS))
    assert learned(tmp_path) == {"a.wav": EVENTS}
    assert (tmp_path / f"{name}.replaced").read_text() == foreign
    (tmp_path / name).write_text(foreign)
    if name != "a.wav.csv":
        assert read_labels(recording) == Labels(True, EVENTS)
    remove_labels(recording)
    assert read_labels(recording) is None
    assert (tmp_path / f"{name}.replaced").read_text() == foreign


def test_files_that_belong_to_two_recordings_stay(tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac"):
        (tmp_path / name).write_bytes(b"sound")
    (tmp_path / "a.txt").write_text("0.5\t1.5\towl\n")
    for change in (lambda path: save_labels(path, Labels(True, [])), remove_labels):
        with pytest.raises(
            LabelsElsewhereError, match=r"^a\.wav: has labels in a\.txt, .* those of a\.flac too$"
        ):
            change(tmp_path / "a.wav")
    assert {path.name for path in tmp_path.iterdir()} == {"a.wav", "a.flac", "a.txt"}


def test_names_that_only_begin_alike(tmp_path: Path) -> None:
    for name in ("a.wav", "a.b.wav"):
        (tmp_path / name).write_bytes(b"sound")
    (tmp_path / "a.b.txt").write_text("0.5\t1.5\towl\n")
    (tmp_path / "ab.txt").write_text("0.5\t1.5\towl\n")
    (tmp_path / "a.readme.txt").write_text("these are recordings")
    assert read_labels(tmp_path / "a.wav") is None
    assert label_path(tmp_path / "a.b.wav") == tmp_path / "a.b.txt"


def test_which_recordings_may_have_labels(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav", "d.flac"):
        (tmp_path / name).write_bytes(b"sound")
    save_labels(tmp_path / "a.wav", Labels(False, EVENTS))
    save_labels(tmp_path / "b.wav", Labels(True, EVENTS))
    (tmp_path / "d.vtt").write_text("WEBVTT\n")
    save_labels(tmp_path / "e.dat", Labels(True, EVENTS))
    save_labels(tmp_path / "f.dat", Labels(True, EVENTS))
    assert labelled_in(tmp_path, ["e.dat"]) == {"a.wav", "b.wav", "d.flac", "e.dat"}
    assert labelled_in(tmp_path / "nowhere", []) == set()


def test_damaged_labels(recording: Path) -> None:
    path = recording.with_name(f"{recording.name}.csv")
    path.write_text("onset,offset,label\n1,zwei,dog\n")
    with pytest.raises(UnreadableLabelsError, match=r"^Vögel, am See\.wav\.csv, line 2: .* got 'zwei'$"):
        read_labels(recording)
    with pytest.raises(DataError):
        learned(recording.parent)
    save_labels(recording, Labels(True, EVENTS))
    assert learned(recording.parent) == {recording.name: EVENTS}


def crash(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("owner", "name"), [(labels_module, "write_text"), (Path, "rename"), (Path, "unlink"), (Path, "replace")]
)
@pytest.mark.parametrize("reviewed", [True, False])
@pytest.mark.parametrize("was", ["reviewed", "draft", "foreign"])
def test_a_crash_leaves_the_old_or_the_new_labels(
    recording: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, reviewed: bool, was: str
) -> None:
    old = Labels(was != "draft", EVENTS[:1])
    if was == "foreign":
        recording.with_suffix(".txt").write_text("0.1\t0.30000000000000004\tdog\n")
    else:
        save_labels(recording, old)
    new = Labels(reviewed, EVENTS)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crash)
        with suppress(KeyboardInterrupt):
            save_labels(recording, new)
    assert read_labels(recording) in (old, new)
    save_labels(recording, new)
    assert read_labels(recording) == new


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("is none")
    recording = tmp_path / "folder" / "a.wav"
    assert read_labels(recording) is None
    with pytest.raises(CannotSaveError, match=r"^a\.wav: labels cannot be saved: \w"):
        save_labels(recording, Labels(True, []))


def event(**changes: Any) -> dict[str, Any]:
    return {"label": "dog", "onset": 0, "offset": 1.5} | changes


def document(*events: Any, reviewed: Any = True) -> dict[str, Any]:
    return {"reviewed": reviewed, "events": list(events)}


def test_labels_as_the_page_sends_them() -> None:
    labels = parse_labels(
        document(event(onset=2, offset=10.4), event(label=f" {ODD} ", probability=0.3)), 10.0
    )
    assert labels == Labels(True, [SoundEvent(ODD, 0.0, 1.5, 1.0), SoundEvent("dog", 2.0, 10.4, 1.0)])
    assert parse_labels(document(event(offset=1e6), reviewed=False), None).reviewed is False


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (None, "fields 'reviewed' and 'events'"),
        ([], "fields 'reviewed' and 'events'"),
        ({"events": []}, "fields 'reviewed' and 'events'"),
        (document() | {"more": 1}, "fields 'reviewed' and 'events'"),
        (document(reviewed=1), "'reviewed' to be true or false"),
        ({"reviewed": True, "events": {}}, "'events' to be a list"),
        (document(*[event()] * (MAX_EVENTS + 1)), f"at most {MAX_EVENTS} events"),
        (document(3), "event 1: expected an object"),
        (document(event(), {"label": "dog", "onset": 1}), "event 2: expected an object"),
        (document(event(onset="1")), "event 1: onset must be a number of seconds, got '1'"),
        (document(event(offset=True)), "offset must be a number"),
        (document(event(offset=None)), "offset must be a number"),
        (document(event(offset=math.inf)), "offset must be a number"),
        (document(event(onset=math.nan)), "onset must be a number"),
        (document(event(offset=10**400)), "offset must be a number"),
        (document(event(onset=-1)), "0 <= onset < offset, got -1 and 1.5"),
        (document(event(onset=1.5)), "0 <= onset < offset, got 1.5 and 1.5"),
        (document(event(offset=10.6)), "ends at 10.6 s, behind the end"),
        (document(event(label="")), "label must be a text"),
        (document(event(label=" \u3000")), "label must be a text"),
        (document(event(label=3)), "label must be a text"),
        (document(event(label="a\nb")), "one line of text, got 'a\\\\nb'"),
        (document(event(label="a\u2028b")), "one line of text"),
        (document(event(label="a\x00b")), "one line of text"),
        (document(event(label="a\ud800b")), "one line of text"),
        (document(event(label="a" * 201)), "at most 200 characters, got 201"),
    ],
)
def test_labels_that_are_refused(sent: Any, message: str) -> None:
    with pytest.raises(BadRequestError, match=message.replace("(", r"\(")) as caught:
        parse_labels(sent, 10.0)
    assert len(str(caught.value).splitlines()) == 1
    str(caught.value).encode()


def test_whatever_is_accepted_can_be_read_back(recording: Path) -> None:
    names = [
        "a,b",
        '"',
        "'",
        "a;b",
        "a\u00a0b",
        "#",
        "=1+1",
        "\ufeffx",
        "e\u0301",
        "🦉",
        "onset",
        "a" * 200,
        "\\N",
    ]
    sent = document(*[event(label=name, onset=index / 3, offset=9.99) for index, name in enumerate(names)])
    labels = parse_labels(sent, 10.0)
    save_labels(recording, labels)
    assert read_labels(recording) == labels
    assert learned(recording.parent) == {recording.name: labels.events}
