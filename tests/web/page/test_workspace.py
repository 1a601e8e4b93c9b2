from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from htsat.audio import SUFFIXES
from htsat.data.manifest import read_data
from htsat.errors import DataError
from htsat.recognition.recognizer import Recognizer
from htsat.scores import FrameScores
from htsat.web.page import recording as recording_module
from htsat.web.page.workspace import Workspace
from htsat.web.problems import ShuttingDownError
from htsat.web.settings import ServiceSettings

from .conftest import RATE, OpenPage, Page

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def given(tmp_path: Path, wav: bytes) -> Path:
    """A folder with four recordings."""
    given = tmp_path / "given"
    given.mkdir()
    for name in "abcd":
        (given / f"{name}.wav").write_bytes(wav)
    return given


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home" / "of the page"


def views(page: Page, recording_id: str) -> list[Any]:
    base = f"/recordings/{recording_id}"
    return [
        page.json(base),
        page.json(f"{base}/events"),
        page.json(f"{base}/tags"),
        page.json(f"{base}/waveform"),
        page.get(f"{base}/spectrogram").content,
        page.json(f"{base}/labels"),
        page.get(f"{base}/audio").content,
    ]


def test_everything_survives_a_restart(
    open_page: OpenPage, folder: Path, home: Path, wav: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"reviewed": True, "events": [{"label": "Ü", "onset": 0.5, "offset": 1.5}]}
    with open_page(workspace=home, recordings=(folder,)) as page:
        ids = [page.id_of("bursts.wav"), page.upload(wav, "später.wav")]
        for recording_id in ids:
            page.heard(recording_id)
            assert page.put_labels(recording_id, labels).status_code == 200
        before = [views(page, recording_id) for recording_id in ids]
        names = [record["name"] for record in page.json("/recordings")]

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("is known already")

    monkeypatch.setattr(recording_module, "look_at", never)
    monkeypatch.setattr(recording_module, "FrameWriter", never)
    with open_page(workspace=home, recordings=(folder,)) as page:
        assert [record["name"] for record in page.json("/recordings")] == names
        assert [views(page, recording_id) for recording_id in ids] == before


def test_scores_of_another_model_are_not_shown(
    open_page: OpenPage, home: Path, wav: bytes, recognizer: Recognizer
) -> None:
    with open_page(workspace=home) as page:
        recording_id = page.upload(wav, "a.wav")
        page.heard(recording_id)
        before = page.json(f"/recordings/{recording_id}/tags")
    original = recognizer.engine.frame_scores  # type: ignore[attr-defined]

    def retrained(clips: Any) -> Any:
        output = original(clips)
        return output._replace(
            frame_logits=output.frame_logits + 0.1, tagging_logits=output.tagging_logits + 0.1
        )

    recognizer.engine.frame_scores = retrained  # type: ignore[method-assign]
    with open_page(workspace=home) as page:
        page.heard(recording_id)
        after = page.json(f"/recordings/{recording_id}/tags")
    assert {tag["label"]: tag["probability"] for tag in after} != {
        tag["label"]: tag["probability"] for tag in before
    }


def test_what_broke_off_is_done_again(open_page: OpenPage, home: Path, wav: bytes) -> None:
    with open_page(workspace=home) as page:
        recording_id = page.upload(wav, "a.wav")
        page.heard(recording_id)
        before = views(page, recording_id)
    state = home / ".htsat" / recording_id
    (state / "scores" / "summary.npz").unlink()
    (state / "overview.npz").write_bytes(b"")
    unfinished = home / ".htsat" / "0123456789abcdef"
    unfinished.mkdir()
    (unfinished / "recording.json").write_text(json.dumps({"name": "b.wav", "file": "b.wav", "added": 0}))
    damaged = home / ".htsat" / "fedcba9876543210"
    damaged.mkdir()
    (damaged / "recording.json").write_text("{")
    begun = home / ".htsat" / "0123456789fedcba"
    begun.mkdir()
    (begun / ".recording.json.htsat-01.json").touch()
    with open_page(workspace=home) as page:
        assert [record["id"] for record in page.json("/recordings")] == [recording_id]
        page.heard(recording_id)
        assert views(page, recording_id) == before
    assert not unfinished.exists()
    assert not damaged.exists()
    assert not begun.exists()


def test_without_a_workspace_nothing_is_left(
    open_page: OpenPage, folder: Path, wav: bytes, spool: Path
) -> None:
    files = sorted(folder.rglob("*"))
    with open_page(recordings=(folder,)) as page:
        page.heard(page.upload(wav, "a.wav"))
        page.heard(page.id_of("bursts.wav"))
        assert list(spool.iterdir())
    assert list(spool.iterdir()) == []
    assert sorted(folder.rglob("*")) == files


def test_a_file_that_changes_is_heard_again(open_page: OpenPage, folder: Path) -> None:
    with open_page(recordings=(folder,)) as page:
        recording_id = page.id_of("bursts.wav")
        assert page.heard(recording_id)["duration_s"] == 4.0
        soundfile.write(folder / "bursts.wav", np.full(2 * RATE, 0.5), RATE)
        assert page.heard(recording_id)["duration_s"] == 2.0
        events = page.json(f"/recordings/{recording_id}/events")["events"]
        assert [(event["onset"], event["offset"]) for event in events] == [(0, 2)]
        assert len(page.json(f"/recordings/{recording_id}/waveform")["max"]) == 1000


def test_a_file_that_vanishes(open_page: OpenPage, folder: Path) -> None:
    with open_page(recordings=(folder,)) as page:
        first = page.id_of("bursts.wav")
        page.heard(first)
        content = (folder / "bursts.wav").read_bytes()
        (folder / "bursts.wav").unlink()
        record = page.json(f"/recordings/{first}")
        assert (record["state"], record["error"]) == ("failed", "bursts.wav: is not there any more")
        response = page.get(f"/recordings/{first}/audio")
        assert (response.status_code, response.json()["error"]["message"]) == (404, record["error"])
        assert '"failed"' in page.get(f"/recordings/{first}/progress").text
        (folder / "bursts.wav").write_bytes(content)
        assert page.heard(first)["state"] == "done"


def test_a_broken_file_that_is_mended(open_page: OpenPage, folder: Path) -> None:
    content = (folder / "bursts.wav").read_bytes()
    (folder / "bursts.wav").write_bytes(b"nothing")
    with open_page(recordings=(folder,)) as page:
        assert page.heard(page.id_of("bursts.wav"))["state"] == "failed"
        (folder / "bursts.wav").write_bytes(content)
        assert page.heard(page.id_of("bursts.wav"))["state"] == "done"


def test_odd_names_of_files(open_page: OpenPage, tmp_path: Path, wav: bytes) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    names = ["a b.wav", "'\".wav", "<b>&.wav", "日本.wav", "%2e%2e.wav", "#?.wav"]
    for name in names:
        (odd / name).write_bytes(wav)
    no_text = os.fsdecode(b"\xff\xfe.wav")
    (odd / no_text).write_bytes(wav)
    with open_page(recordings=(odd,)) as page:
        records = page.json("/recordings")
        assert len(records) == 7
        assert {record["name"] for record in records} > set(names)
        for record in records:
            assert page.heard(record["id"])["state"] == "done"
            assert page.get(f"/recordings/{record['id']}/events.csv").status_code == 200
            assert page.put_labels(record["id"], {"reviewed": True, "events": []}).status_code == 200
        assert page.get("/labels.zip").status_code == 200


@pytest.mark.parametrize("name", ["bare", "a.xyz", "a.WAV", "..."])
def test_uploads_of_any_name_are_learned_from(open_page: OpenPage, home: Path, wav: bytes, name: str) -> None:
    with open_page(workspace=home) as page:
        recording_id = page.upload(wav, name)
        page.heard(recording_id)
        document = {"reviewed": True, "events": [{"label": "x", "onset": 0, "offset": 1}]}
        page.put_labels(recording_id, document)
    manifest = read_data(home, SUFFIXES)
    assert [clip.labels for clip in manifest.clips] == [("x",)]
    with open_page(workspace=home, recordings=(home,)) as page:
        [record] = page.json("/recordings")
        assert (record["name"], record["state"], record["reviewed"]) == (name, "done", True)
        assert page.json(f"/recordings/{recording_id}/labels") == document


def test_the_same_file_given_twice_is_one(open_page: OpenPage, folder: Path) -> None:
    with open_page(recordings=(folder, folder / "bursts.wav", folder / "deep" / ".." / "deep")) as page:
        assert len(page.json("/recordings")) == 2


@pytest.mark.parametrize("given", ["-", "empty"])
def test_what_cannot_be_opened(recognizer: Recognizer, tmp_path: Path, given: str) -> None:
    (tmp_path / "empty").mkdir()
    path = Path(given) if given == "-" else tmp_path / given
    with pytest.raises(DataError, match=r"standard input|no audio files found"):
        Workspace(recognizer, lambda path, name: iter(()), ServiceSettings(recordings=(path,)))  # type: ignore[arg-type, return-value]


def test_a_workspace_that_is_no_folder(recognizer: Recognizer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = ServiceSettings(workspace=tmp_path / "file")
    with pytest.raises(DataError, match=r"file: cannot be the workspace: \w"):
        Workspace(recognizer, lambda path, name: iter(()), settings)  # type: ignore[arg-type, return-value]


class Hesitant:
    """Listens as slowly as the test wants."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.may_go_on = threading.Semaphore(0)
        self.heard: list[str] = []
        self.n_closed = 0

    def __call__(self, path: Path, name: str) -> Generator[FrameScores, None, None]:
        self.heard.append(name)
        samples, _ = soundfile.read(path, dtype="float32")
        try:
            for scores in self._recognizer.score_blocks([samples]):
                assert self.may_go_on.acquire(timeout=60)
                yield scores
        finally:
            self.n_closed += 1


@pytest.fixture
def hesitant(recognizer: Recognizer) -> Hesitant:
    recognizer._batch_size = 1
    return Hesitant(recognizer)


def test_the_file_that_is_looked_at_comes_first(
    recognizer: Recognizer, hesitant: Hesitant, given: Path, until: Until
) -> None:
    with Workspace(recognizer, hesitant, ServiceSettings(recordings=(given,))) as workspace:
        ids = {recording.place.name[0]: recording.place.id for recording in workspace}
        workspace.open(ids["a"])
        until(lambda: hesitant.heard == ["a.wav"])
        for name in "bcdbb":
            workspace.open(ids[name])
        hesitant.may_go_on.release(100)
        until(lambda: all(recording.progress.state == "done" for recording in workspace))
    assert hesitant.heard == ["a.wav", "b.wav", "d.wav", "c.wav"]


def test_results_come_while_a_recording_is_heard(
    recognizer: Recognizer, hesitant: Hesitant, given: Path, until: Until
) -> None:
    with Workspace(recognizer, hesitant, ServiceSettings(recordings=(given,))) as workspace:
        recording, *_ = workspace
        workspace.open(recording.place.id)
        hesitant.may_go_on.release(3)
        until(lambda: recording.progress.heard_s == 1.5)
        frames = recording.frames()
        assert frames is not None
        assert frames.summary.duration_s == 1.5
        assert recording.document()["state"] == "hearing"
        hesitant.may_go_on.release(100)
        until(lambda: recording.document()["state"] == "done")


def test_deleting_while_it_is_heard(
    recognizer: Recognizer, hesitant: Hesitant, tmp_path: Path, wav: bytes, until: Until
) -> None:
    (tmp_path / "a.wav").write_bytes(wav)
    with Workspace(recognizer, hesitant, ServiceSettings()) as workspace:
        first = workspace.add(tmp_path / "a.wav", "a.wav")
        until(lambda: hesitant.heard == ["a.wav"])
        deleting = threading.Thread(target=workspace.delete, args=[first.place.id])
        deleting.start()
        until(lambda: first.is_stopped)
        hesitant.may_go_on.release(1)
        deleting.join(60)
        assert not deleting.is_alive()
        assert hesitant.n_closed == 1
        assert list(workspace) == []
        left = [path for path in workspace.folder.rglob("*") if first.place.id in str(path)]
        assert left == []


def test_closing_while_something_is_heard(
    recognizer: Recognizer, hesitant: Hesitant, home: Path, tmp_path: Path, wav: bytes, until: Until
) -> None:
    (tmp_path / "a.wav").write_bytes(wav)
    with Workspace(recognizer, hesitant, ServiceSettings(workspace=home)) as workspace:
        recording = workspace.add(tmp_path / "a.wav", "a.wav")
        until(lambda: hesitant.heard == ["a.wav"])

        def go_on() -> None:
            until(lambda: recording.is_stopped)
            hesitant.may_go_on.release(1)

        threading.Thread(target=go_on).start()
    assert hesitant.n_closed == 1
    assert recording.document()["state"] == "hearing"
    assert recording.document()["error"] is None


@pytest.mark.parametrize(
    "case",
    [
        (OSError(28, "No space left on device"), "a.wav: No space left on device"),
        (ZeroDivisionError("bug"), "a.wav: could not be heard, because of an internal error"),
        (ShuttingDownError(), None),
    ],
)
def test_what_goes_wrong_stands_in_the_record(  # the next recording is heard all the same
    recognizer: Recognizer,
    given: Path,
    until: Until,
    caplog: pytest.LogCaptureFixture,
    case: tuple[Exception, str | None],
) -> None:
    error, expected = case

    def listen(path: Path, name: str) -> Generator[FrameScores, None, None]:
        if name == "a.wav":
            raise error
        yield from recognizer.score_blocks([soundfile.read(path, dtype="float32")[0]])

    with Workspace(recognizer, listen, ServiceSettings(recordings=(given,))) as workspace:
        first, second, *_ = workspace
        workspace.open(first.place.id)
        workspace.open(second.place.id)
        until(lambda: second.document()["state"] == "done")
        until(lambda: first.document()["error"] == expected)
    assert bool(caplog.records) == isinstance(error, ZeroDivisionError)
