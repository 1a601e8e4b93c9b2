from __future__ import annotations

import io
import itertools
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import htsat
from htsat.audio import SUFFIXES
from htsat.cli.main import main
from htsat.data.label_files import read_label_file
from htsat.data.manifest import read_data
from htsat.formats import EVENT_FORMATS
from htsat.loading import LoadedModel
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray

from .conftest import RATE, OpenPage, Page

DEEP = str(Path("deep", "Grüße 日本.flac"))


def problem(response: Any) -> tuple[int, str]:
    """Status and message of an answer that says what is wrong, in one line."""
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert len(error["message"].splitlines()) == 1
    return response.status_code, error["message"]


def test_the_model(open_page: OpenPage, recognizer: Recognizer) -> None:
    with open_page() as page:
        document = page.json("/model")
    assert document["labels"] == list(recognizer.description.labels)
    assert document["rules"]["thresholds"] == [0.5, 0.5]
    assert document["rules"]["max_gap"] == 0.35
    assert document["rules"]["boxes"] is False
    assert document["version"] == htsat.__version__
    assert (document["sample_rate"], document["clip_s"], document["frame_s"]) == (RATE, 1.0, 0.25)


def test_files_are_heard_when_they_are_opened(open_page: OpenPage, folder: Path) -> None:
    with open_page(recordings=(folder,)) as page:
        records = page.json("/recordings")
        assert [record["name"] for record in records] == ["bursts.wav", DEEP]
        assert {record["state"] for record in records} == {"waiting"}
        record = page.heard(page.id_of(DEEP))
        assert record == {
            "id": page.id_of(DEEP),
            "name": DEEP,
            "state": "done",
            "duration_s": 3.0,
            "heard_s": 3.0,
            "error": None,
            "reviewed": False,
            "n_labels": None,
        }
        assert page.json("/recordings")[0]["state"] == "waiting"


def test_progress(open_page: OpenPage, folder: Path) -> None:
    with open_page(recordings=(folder,)) as page:
        recording_id = page.id_of("bursts.wav")
        page.json(f"/recordings/{recording_id}")
        response = page.get(f"/recordings/{recording_id}/progress")
        assert response.headers["content-type"].startswith("text/event-stream")
        *told, end = response.text.split("\n\n")
        assert end == ""
        records = [json.loads(event.removeprefix("data: ")) for event in told]
        assert records[-1] == page.json(f"/recordings/{recording_id}")
        assert records[-1]["state"] == "done"
        heard = [record["heard_s"] for record in records]
        assert heard == sorted(heard)


def test_uploads(open_page: OpenPage, wav: bytes) -> None:
    with open_page() as page:
        first, second = page.upload(wav, "../a \n b.wav"), page.upload(wav, "../a \n b.wav")
        assert first != second
        assert page.heard(first)["name"] == page.heard(second)["name"] == "../a b.wav"
        assert page.heard(first)["duration_s"] == 4.0
        uploads = page.workspace.folder / "uploads"
        assert sorted(path.name for path in uploads.rglob("*.wav")) == ["a b.wav"] * 2
        assert page.client.delete(f"/page/recordings/{first}").status_code == 204
        assert problem(page.get(f"/recordings/{first}")) == (404, "there is no such recording")
        assert len(list(uploads.rglob("*.wav"))) == 1
        assert [record["id"] for record in page.json("/recordings")] == [second]


def test_uploads_that_are_refused(open_page: OpenPage, wav: bytes) -> None:
    with open_page(max_upload_bytes=len(wav) - 1) as page:
        for content, status in ((b"", 400), (wav, 413), (iter([wav[:100], wav[100:]]), 413)):
            response = page.client.post("/page/recordings?name=a.wav", content=content)
            assert problem(response)[0] == status
        assert page.json("/recordings") == []
        assert list((page.workspace.folder).rglob("*.wav")) == []


def test_listed_files_are_not_deleted(open_page: OpenPage, folder: Path) -> None:
    with open_page(recordings=(folder,)) as page:
        response = page.client.delete(f"/page/recordings/{page.id_of('bursts.wav')}")
        assert problem(response) == (400, "bursts.wav: was not uploaded, and is not deleted from here")
    assert (folder / "bursts.wav").exists()


@pytest.mark.parametrize("content", [b"no sound at all", b"RIFF\x24\x00\x00\x00WAVEfmt ", b"\xff\xfb" * 9])
def test_broken_recordings(open_page: OpenPage, content: bytes) -> None:
    """One line, with the name that the sender gave and no path of the server."""
    with open_page() as page:
        record = page.heard(page.upload(content, "tür.mp3"))
        base = f"/recordings/{record['id']}"
        assert record["state"] == "failed"
        assert record["error"].startswith("tür.mp3: ")
        assert len(record["error"].splitlines()) == 1
        assert str(page.workspace.folder) not in record["error"]
        assert '"failed"' in page.get(f"{base}/progress").text
        for view in ("waveform", "spectrogram"):
            assert page.get(f"{base}/{view}", params={"end": 1}).status_code == 404
        assert page.json(f"{base}/tags") == []
        assert page.json(f"{base}/events") == {"events": [], "n_classes_heard": 0}
        assert page.json(f"{base}/scores?classes=loud&end=2")["times"] == []


def test_recordings_that_are_too_long(open_page: OpenPage, wav: bytes) -> None:
    with open_page(max_duration_s=3) as page:
        record = page.heard(page.upload(wav, "a.wav"))
        assert record["error"].startswith("a.wav: lasts longer than 3 s")


def test_sound(open_page: OpenPage, wav: bytes, bursts: FloatArray) -> None:
    with open_page() as page:
        recording_id = page.upload(wav, "a.xyz")
        page.heard(recording_id)
        base = f"/recordings/{recording_id}/audio"
        whole = page.get(base)
        assert (whole.content, whole.headers["content-type"]) == (wav, "audio/wav")
        part = page.get(base, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, wav[10:20])
        assert problem(page.get(base, headers={"Range": f"bytes={len(wav)}-"}))[0] == 416
        samples, rate = soundfile.read(io.BytesIO(page.get(f"{base}?start=1.5&end=2.25").content))
        assert rate == RATE
        assert np.allclose(samples, bursts[1200:1800], atol=1e-4)
        assert len(soundfile.read(io.BytesIO(page.get(f"{base}?start=3.5&end=99").content))[0]) == RATE // 2
        assert problem(page.get(f"{base}?start=5&end=6"))[0] == 400
        assert problem(page.get(f"{base}?start=x"))[0] == 400


def test_sound_that_browsers_do_not_play(open_page: OpenPage, bursts: FloatArray) -> None:
    content = io.BytesIO()
    soundfile.write(content, bursts, 2 * RATE, format="AIFF")
    with open_page() as page:
        recording_id = page.upload(content.getvalue(), "a.aiff")
        page.heard(recording_id)
        response = page.get(f"/recordings/{recording_id}/audio")
        assert response.headers["content-type"] == "audio/wav"
        assert soundfile.info(io.BytesIO(response.content)).duration == 2.0
        part = page.get(f"/recordings/{recording_id}/audio", headers={"Range": "bytes=-9"})
        assert part.content == response.content[-9:]
        broken = page.upload(b"nothing", "b.aiff")
        page.heard(broken)
        assert problem(page.get(f"/recordings/{broken}/audio")) == (
            409,
            "b.aiff: cannot be played by browsers, or not yet",
        )


def test_stretches_of_sound_have_a_limit(open_page: OpenPage) -> None:
    content = io.BytesIO()
    soundfile.write(content, np.full(601 * RATE, 0.5), RATE, format="WAV")
    with open_page() as page:
        recording_id = page.upload(content.getvalue(), "long.wav")
        page.heard(recording_id)
        response = page.get(f"/recordings/{recording_id}/audio?start=0&end=601")
        assert problem(response) == (400, "expected at most 600 s of sound, got 601 s")


def test_views(open_page: OpenPage, folder: Path, bursts: FloatArray, recognizer: Recognizer) -> None:
    with open_page(recordings=(folder,)) as page:
        base = f"/recordings/{page.id_of('bursts.wav')}"
        page.heard(page.id_of("bursts.wav"))
        waveform = page.json(f"{base}/waveform?start=1&end=3&points=4")
        assert (waveform["start"], waveform["end"]) == (1.0, 3.0)
        parts = bursts[RATE : 3 * RATE].reshape(4, -1)
        assert np.allclose(waveform["min"], parts.min(axis=1), atol=1e-4)
        assert np.allclose(waveform["max"], parts.max(axis=1), atol=1e-4)
        response = page.get(f"{base}/spectrogram?start=0&end=9&width=40&height=20")
        assert len(response.content) == 800
        told = {name: float(response.headers[name]) for name in ("X-Start", "X-End", "X-Low-Hz", "X-High-Hz")}
        assert told == {"X-Start": 0, "X-End": 4, "X-Low-Hz": 0, "X-High-Hz": RATE / 2}
        scores = page.json(f"{base}/scores?classes=loud&points=4")
        assert [value > 0.5 for value in scores["scores"]["loud"]] == [False, True, False, True]
        assert scores["times"] == [0.5, 1.5, 2.5, 3.5]
        tags = page.json(f"{base}/tags?top=1")
        expected = recognizer.tag(folder / "bursts.wav", top=1)
        assert [(tag["label"], pytest.approx(tag["probability"])) for tag in tags] == expected
        events = page.json(f"{base}/events?classes=loud")
        assert [(event["label"], event["onset"], event["offset"]) for event in events["events"]] == [
            ("loud", 1.0, 2.0),
            ("loud", 3.0, 4.0),
        ]
        assert events["n_classes_heard"] == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("waveform?points=0", "points: expected a whole number, at least 1, got '0'"),
        ("waveform?points=99999", "points: expected at most 20000, got 99999"),
        ("waveform?start=3&end=2", "expected a start before the end, got 3 and 2"),
        ("waveform?start=nan", "start: expected seconds, at least 0, got 'nan'"),
        ("waveform?width=3", "unknown parameter 'width'"),
        ("spectrogram?width=9999", "width: expected at most 8192, got 9999"),
        ("spectrogram?height=2000", "height: expected at most 1024, got 2000"),
        ("spectrogram?start=4", "expected a start before the end, got 4 and 4"),
        ("scores", "classes: expected 1 to 100 classes, got 0"),
        ("scores?classes=lout", "classes: the model has no class 'lout'; did you mean 'loud'?"),
        ("tags?top=x", "top: expected a whole number, at least 1, got 'x'"),
        ("events?threshold=2", "threshold: expected a number between 0 and 1, got '2'"),
        ("events?classes=nothing", "classes: the model has no class 'nothing'"),
        ("events?treshold=0.5", "unknown parameter 'treshold'; did you mean 'threshold'?"),
        ("events.csv?source=both", "source: expected heard or labels, got 'both'"),
    ],
)
def test_questions_that_are_refused(open_page: OpenPage, folder: Path, path: str, message: str) -> None:
    with open_page(recordings=(folder,)) as page:
        recording_id = page.id_of("bursts.wav")
        page.heard(recording_id)
        assert problem(page.get(f"/recordings/{recording_id}/{path}")) == (400, message)


@pytest.mark.parametrize(
    "what", ["", *(f"/{name}" for name in ("progress", "audio", "tags", "labels", "events.csv"))]
)
@pytest.mark.parametrize("recording_id", ["none", "..%2F..%2Fetc", "%00", "a" * 500])
def test_ids_are_no_paths(open_page: OpenPage, recording_id: str, what: str) -> None:
    with open_page() as page:
        assert page.get(f"/recordings/{recording_id}{what}").status_code == 404


RULES = {
    "threshold": [None, 0.05, 0.9],
    "median_filter": [None, 0.8],
    "max_gap": [None, 0.0, 2.0],
    "min_duration": [None, 0.3],
    "clip_threshold": [None, 0.0, 0.6],
}


def test_events_are_those_that_listening_finds(
    open_page: OpenPage, folder: Path, recognizer: Recognizer
) -> None:
    """With all combinations of rules, and classes left out."""
    with open_page(recordings=(folder,)) as page:
        recording_id = page.id_of(DEEP)
        page.heard(recording_id)
        seen = set()
        for values in itertools.product(*RULES.values()):
            given = {name: value for name, value in zip(RULES, values, strict=True) if value is not None}
            response = page.get(f"/recordings/{recording_id}/events", params=given)
            own = recognizer.default_rules
            rules = EventRules(
                (given["threshold"],) * 2 if "threshold" in given else own.thresholds,
                median_filter_s=given.get("median_filter", own.median_filter_s),
                min_duration_s=given.get("min_duration", own.min_duration_s),
                max_gap_s=given.get("max_gap", own.max_gap_s),
                clip_threshold=given.get("clip_threshold", own.clip_threshold),
            )
            heard = recognizer.detect(folder / DEEP, rules)
            found = [tuple(event.values()) for event in response.json()["events"]]
            assert found == [tuple(event) for event in heard]
            seen.add(tuple(found))
        assert len(seen) > 5


def test_downloads_are_what_the_command_writes(
    open_page: OpenPage, nano: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packaged model, which is multi-class; `htsat detect` with the same rules."""
    scene = Path(__file__).parents[3] / "examples" / "scene.ogg"
    samples, rate = soundfile.read(scene, stop=15 * 32_000)
    soundfile.write(tmp_path / "scene.wav", samples, rate)
    monkeypatch.chdir(tmp_path)
    rules = ["--threshold", "0.2", "--min-duration", "0.5", "--max-gap", "1", "--classes", "dog,church_bells"]
    assert main(["detect", "scene.wav", *rules, "--threads", "1", "-o", "found.csv"]) == 0
    query = "threshold=0.2&min_duration=0.5&max_gap=1&classes=dog&classes=church_bells"
    with open_page(model=nano, recordings=(Path("scene.wav"),)) as page:
        recording_id = page.id_of("scene.wav")
        page.heard(recording_id)
        written = (tmp_path / "found.csv").read_text()
        assert page.get(f"/recordings/{recording_id}/events.csv?{query}").text == written
    assert written.count("dog")
    assert written.count("church_bells")


def endings() -> list[tuple[str, str]]:
    """How the page asks for each format, and what a file of it ends with."""
    short = {"txt": "audacity", "raven.txt": "raven", "vtt": "webvtt", "tsv": "tsv", "TextGrid": "textgrid"}
    named = {name: name for name in EVENT_FORMATS}
    return [(ending, EVENT_FORMATS[name].suffix) for ending, name in (named | short).items()]


@pytest.mark.parametrize(("ending", "suffix"), endings())
def test_downloads_in_all_formats(
    open_page: OpenPage, folder: Path, tmp_path: Path, ending: str, suffix: str
) -> None:
    with open_page(recordings=(folder,)) as page:
        recording_id = page.id_of(DEEP)
        page.heard(recording_id)
        response = page.get(f"/recordings/{recording_id}/events.{ending}?classes=loud")
        assert response.status_code == 200
        assert response.headers["content-disposition"] == (
            f'attachment; filename="Gr__e __{suffix}"; '
            f"filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%E6%97%A5%E6%9C%AC{suffix}"
        )
        if ending in ("csv", "jsonl", "txt", "raven.txt", "vtt", "TextGrid"):
            (tmp_path / "read").write_bytes(response.content)
            events = read_label_file(tmp_path / "read").of(DEEP)
            assert [event[:3] for event in events] == [("loud", 0, 1), ("loud", 2, 3)]


def test_downloads_of_labels(open_page: OpenPage, wav: bytes) -> None:
    with open_page() as page:
        recording_id = page.upload(wav, 'a "b".wav')
        page.heard(recording_id)
        base = f"/recordings/{recording_id}/events"
        assert problem(page.get(f"{base}.txt?source=labels")) == (404, 'a "b".wav: has no labels')
        page.put_labels(
            recording_id, {"reviewed": False, "events": [{"label": "Ü", "onset": 0.5, "offset": 1.25}]}
        )
        response = page.get(f"{base}.txt?source=labels&threshold=0.5")
        assert response.text == "0.5000\t1.2500\tÜ\n"
        assert response.headers["content-disposition"].startswith('attachment; filename="a _b_.txt"; ')
        assert problem(page.get(f"{base}.cvs")) == (404, "there is no format 'cvs'; did you mean 'csv'?")


def test_labels(open_page: OpenPage, folder: Path) -> None:
    events = [{"label": "quiet, or nearly so", "onset": 0.125, "offset": 1.0}]
    with open_page(recordings=(folder,)) as page:
        recording_id = page.id_of(DEEP)
        path = f"/recordings/{recording_id}/labels"
        assert page.json(path) is None
        for reviewed in (False, True):
            document = {"reviewed": reviewed, "events": events}
            response = page.put_labels(recording_id, document)
            assert (response.status_code, response.json()) == (200, document)
            assert page.json(path) == document
            record = page.json(f"/recordings/{recording_id}")
            assert (record["reviewed"], record["n_labels"]) == (reviewed, 1)
        [clip] = read_data(folder, SUFFIXES).clips
        assert (clip.path, clip.labels) == (folder / DEEP, ("quiet, or nearly so",))
        assert page.client.delete(f"/page{path}").status_code == 204
        assert page.json(path) is None
        assert page.json(f"/recordings/{recording_id}")["n_labels"] is None
    assert sorted(path.name for path in (folder / "deep").iterdir()) == ["Grüße 日本.flac"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"", 400), (b"[" * 100_000, 400), (b"\xff", 400), (b" " * (2**24 + 1), 413)],
)
def test_labels_that_are_no_json(open_page: OpenPage, wav: bytes, body: bytes, status: int) -> None:
    with open_page() as page:
        recording_id = page.upload(wav, "a.wav")
        response = page.client.put(f"/page/recordings/{recording_id}/labels", content=body)
        assert problem(response)[0] == status
        assert page.json(f"/recordings/{recording_id}/labels") is None


def test_labels_behind_the_end(open_page: OpenPage, wav: bytes) -> None:
    with open_page() as page:
        recording_id = page.upload(wav, "a.wav")
        page.heard(recording_id)
        late = {"reviewed": True, "events": [{"label": "x", "onset": 0, "offset": 5}]}
        response = page.put_labels(recording_id, late)
        assert problem(response) == (400, "event 1: ends at 5 s, behind the end of the recording")


def test_damaged_labels_are_told(open_page: OpenPage, folder: Path) -> None:
    (folder / "bursts.csv").write_text("onset,offset,label\n1,0,dog\n")
    with open_page(recordings=(folder,)) as page:
        status, message = problem(page.get(f"/recordings/{page.id_of('bursts.wav')}/labels"))
        assert status == 422
        assert message.startswith("bursts.csv, line 2: ")


def reviewed(page: Page, recording_id: str, label: str) -> None:
    events = [{"label": label, "onset": 0, "offset": 1}]
    assert page.put_labels(recording_id, {"reviewed": True, "events": events}).status_code == 200


def test_archive_of_labels(open_page: OpenPage, folder: Path, wav: bytes, tmp_path: Path) -> None:
    """Reviewed recordings with their labels, which training reads as it does a folder."""
    with open_page(recordings=(folder, folder / "bursts.wav")) as page:
        upload, draft = page.upload(wav, "bursts.wav"), page.upload(wav, "draft.wav")
        reviewed(page, page.id_of(DEEP), "bird")
        reviewed(page, upload, "siren")
        page.put_labels(draft, {"reviewed": False, "events": []})
        response = page.get("/labels.zip")
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "out")
    manifest = read_data(tmp_path / "out", SUFFIXES)
    assert [(clip.path.name, clip.labels) for clip in manifest.clips] == [
        ("Grüße 日本.flac", ("bird",)),
        ("bursts.wav", ("siren",)),
    ]
    assert manifest.notes == ()
    assert manifest.clips[1].path.read_bytes() == wav


def test_an_archive_says_what_is_missing(open_page: OpenPage, folder: Path) -> None:
    with open_page(recordings=(folder,)) as page:
        for name in ("bursts.wav", DEEP):
            reviewed(page, page.id_of(name), "bird")
        (folder / DEEP).unlink()
        content = page.get("/labels.zip").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sorted(archive.namelist()) == ["1/bursts.wav", "1/bursts.wav.csv", "not-there.log"]
        assert archive.read("not-there.log").decode() == f"{DEEP}\n"
