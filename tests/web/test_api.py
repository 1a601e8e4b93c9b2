"""What the paths for programs answer is what the commands write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

import htsat
from htsat.cli.main import main
from htsat.loading import LoadedModel
from htsat.recognition.recognizer import Recognizer
from htsat.web.app import create_app
from htsat.web.batching import SharedEngine
from htsat.web.settings import ServiceSettings

EXAMPLES = Path(__file__).parents[2] / "examples"
DOG, SCENE = EXAMPLES / "dog.ogg", EXAMPLES / "scene.ogg"

Sound = Callable[..., bytes]


@pytest.fixture(scope="module")
def nano_client(nano: LoadedModel) -> Iterator[TestClient]:
    with TestClient(create_app(nano, ServiceSettings()), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """What a command writes about a recording as JSON Lines."""

    def run(*arguments: object) -> Any:
        assert main([str(a) for a in arguments] + ["--format", "jsonl", "--threads", "1"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_tags_are_those_of_the_command(nano_client: TestClient, written: Callable[..., Any]) -> None:
    answer = nano_client.post("/v1/tag", params={"name": str(DOG), "top": 3}, content=DOG.read_bytes())
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == written("tag", DOG, "--top", 3)
    assert nano_client.post("/v1/tag", content=DOG.read_bytes()).json()["tags"] == written("tag", DOG)["tags"]


def test_tags_may_have_a_least_probability(nano_client: TestClient) -> None:
    params = {"top": 50, "min_probability": 0.01}
    tags = nano_client.post("/v1/tag", params=params, content=DOG.read_bytes()).json()["tags"]
    assert 1 < len(tags) < 50
    assert min(tag["probability"] for tag in tags) >= 0.01


@pytest.mark.parametrize(
    ("params", "options"),
    [
        ({}, []),
        (
            {"threshold": 0.3, "median_filter": 1, "min_duration": 0.5, "max_gap": 2, "clip_threshold": 0.2},
            [
                "--threshold",
                "0.3",
                "--median-filter",
                "1",
                "--min-duration",
                "0.5",
                "--max-gap",
                "2",
                "--clip-threshold",
                "0.2",
            ],
        ),
        ({"classes": ["dog", "siren"]}, ["--classes", "dog,siren"]),
    ],
)
def test_events_are_those_of_the_command(
    nano_client: TestClient, written: Callable[..., Any], params: dict[str, Any], options: list[Any]
) -> None:
    answer = nano_client.post("/v1/detect", params={"name": str(SCENE), **params}, content=SCENE.read_bytes())
    assert answer.json() == written("detect", SCENE, *options)
    assert answer.json()["events"]


@pytest.mark.parametrize("per", ["clip", "frame"])
def test_embeddings_are_those_of_the_command(nano_client: TestClient, tmp_path: Path, per: str) -> None:
    output = tmp_path / "vectors.npy"
    assert main(["embed", str(SCENE), "--per", per, "-o", str(output), "--threads", "1"]) == 0
    answer = nano_client.post("/v1/embed", params={"per": per}, content=SCENE.read_bytes()).json()
    vectors = np.array(answer["embeddings"], np.float32)
    np.testing.assert_array_equal(vectors, np.load(output))
    assert answer["dimension"] == vectors.shape[1]
    assert answer["duration"] == 50.0
    starts = [row.rpartition(",")[2] for row in (tmp_path / "vectors.rows.csv").read_text().split()[1:]]
    assert [f"{start:.4f}" for start in answer["starts"]] == starts


def test_events_that_come_as_they_settle_are_the_same(nano_client: TestClient) -> None:
    whole = nano_client.post("/v1/detect", content=SCENE.read_bytes()).json()
    answer = nano_client.post("/v1/detect", params={"stream": "true"}, content=SCENE.read_bytes())
    assert answer.headers["content-type"] == "application/x-ndjson"
    *lines, last = [json.loads(line) for line in answer.text.splitlines()]
    assert last == {"done": True, "duration": whole["duration"]}
    assert {line.pop("file") for line in lines} == {"upload"}
    assert sorted(lines, key=lambda line: line["onset"]) == whole["events"]


def test_a_form_is_heard_like_a_body(client: TestClient, sound: Sound) -> None:
    form = client.post("/v1/tag", files={"file": ("Hof & Tür\n.wav", sound())}).json()
    body = client.post("/v1/tag", content=sound()).json()
    assert form["file"] == "Hof & Tür%0A.wav"  # as browsers send it
    assert body["file"] == "upload"
    assert form["tags"] == body["tags"]


def test_a_body_that_comes_in_many_pieces_is_heard_like_a_whole_one(client: TestClient, sound: Sound) -> None:
    content = sound(9.0)
    pieces = (content[start : start + 777] for start in range(0, len(content), 777))
    expected = client.post("/v1/detect", content=content).json()
    assert client.post("/v1/detect", content=pieces).json() == expected


def test_requests_that_are_heard_together_get_what_each_gets_alone(
    client: TestClient, sound: Sound, engine: Any, monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]
) -> None:
    contents = [sound(0.3 + 0.04 * seed, seed) for seed in range(16)]
    alone = [client.post("/v1/detect", content=content).json() for content in contents]
    assert engine.batch_sizes == [1] * 16
    asked_for: list[int] = []
    usual = SharedEngine._ask

    def noted(shared: Any, clips: Any, queue: Any) -> Any:
        asked_for.append(len(clips))
        return usual(shared, clips, queue)

    monkeypatch.setattr(SharedEngine, "_ask", noted)
    engine.may_run.clear()
    with ThreadPoolExecutor(16) as threads:
        asked = [threads.submit(client.post, "/v1/detect", content=content) for content in contents]
        until(lambda: len(asked_for) == 8)  # as many as are heard at once
        engine.may_run.set()
        together = [future.result().json() for future in asked]
    assert together == alone
    assert sum(engine.batch_sizes) == 32
    assert max(engine.batch_sizes[16:]) > 1


def test_the_model_is_described(client: TestClient, recognizer: Recognizer) -> None:
    model = client.get("/v1/model").json()
    assert model["labels"] == ["loud", "quiet, or nearly so"]
    assert model["version"] == htsat.__version__
    assert (model["sample_rate"], model["clip_s"], model["frame_s"]) == (800, 1.0, 0.25)
    assert model["embedding_dimension"] == 2
    rules = recognizer.default_rules
    assert model["rules"] == {
        "thresholds": list(rules.thresholds),
        "median_filter": rules.median_filter_s,
        "clip_threshold": rules.clip_threshold,
        "max_gap": rules.max_gap_s,
        "min_duration": rules.min_duration_s,
        "boxes": False,
    }


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tag?tpo=1", "unknown parameter 'tpo'; did you mean 'top'?"),
        ("tag?top=0", "top: expected a whole number, at least 1, got '0'"),
        ("tag?top=1e3", "top: expected a whole number, at least 1, got '1e3'"),
        ("tag?top=9999999999", "top: expected a whole number, at least 1, got '9999999999'"),
        ("tag?top=1&top=2", "top: expected one value, got 2"),
        ("tag?min_probability=1.1", "min_probability: expected a number between 0 and 1, got '1.1'"),
        ("tag?threshold=0.5", "unknown parameter 'threshold'"),
        ("detect?threshold=nan", "threshold: expected a number between 0 and 1, got 'nan'"),
        ("detect?max_gap=-1", "max_gap: expected seconds, at least 0, got '-1'"),
        ("detect?max_gap=inf", "max_gap: expected seconds, at least 0, got 'inf'"),
        (
            "detect?median_filter=60.1",
            "median_filter: expected seconds, at least 0 and at most 60, got '60.1'",
        ),
        ("detect?stream=yes", "stream: expected true or false, got 'yes'"),
        ("detect?classes=lod", "classes: the model has no class 'lod'; did you mean 'loud'?"),
        ("embed?per=second", "per: expected clip or frame, got 'second'"),
    ],
)
def test_parameters_that_do_not_fit_are_named(
    client: TestClient, path: str, message: str, sound: Sound
) -> None:
    answer = client.post(f"/v1/{path}", content=sound())
    assert answer.status_code == 400
    assert answer.json() == {"error": {"code": "bad_request", "message": message}}


def test_a_class_may_hold_a_comma(client: TestClient, sound: Sound) -> None:
    params = {"classes": "quiet, or nearly so"}
    events = client.post("/v1/detect", params=params, content=sound(9.0)).json()["events"]
    assert {event["label"] for event in events} == {"quiet, or nearly so"}


@pytest.mark.parametrize("content", [b"no sound", bytes(5000), b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_cannot_be_heard_is_said_as_the_command_says_it(
    client: TestClient, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (tmp_path / "x").write_bytes(content)
    assert main(["tag", str(tmp_path / "x")]) == 1
    said = capsys.readouterr().err.strip().removeprefix("htsat: ").replace(f"{tmp_path}/", "")
    for path in ("tag", "detect", "detect?stream=true", "embed"):
        answer = client.post(f"/v1/{path}", params={"name": "x"}, content=content)
        assert answer.status_code == 422
        assert answer.json()["error"] == {"code": "bad_audio", "message": said}


def test_too_short_a_recording_is_named(client: TestClient, sound: Sound) -> None:
    answer = client.post("/v1/tag?name=click.wav", content=sound(0.01))
    assert answer.status_code == 422
    message = "click.wav: too short: 10 ms of audio, at least 20 ms are needed"
    assert answer.json()["error"] == {"code": "bad_audio", "message": message}


def test_a_recording_that_breaks_off_ends_its_stream_with_the_reason(
    client: TestClient, tmp_path: Path
) -> None:
    noise = 0.2 * np.random.default_rng(0).standard_normal(60 * 800)
    soundfile.write(tmp_path / "cut.flac", noise, 800)
    content = (tmp_path / "cut.flac").read_bytes()
    content = content[: len(content) // 2]
    answer = client.post("/v1/detect", params={"stream": "true", "name": "cut.flac"}, content=content)
    assert answer.status_code == 200
    last = json.loads(answer.text.splitlines()[-1])
    assert last["error"]["code"] == "bad_audio"
    assert last["error"]["message"].startswith("cut.flac: is cut off: ")
    whole = client.post("/v1/detect", params={"name": "cut.flac"}, content=content)
    assert (whole.status_code, whole.json()) == (422, last)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"sound": b"x"}, "expected a form with one field, 'file', got 'sound'"),
        ({"file": b"x", "more": b"y"}, "expected a form with one field, 'file', got more"),
    ],
)
def test_forms_that_do_not_fit_are_refused(client: TestClient, files: dict[str, bytes], message: str) -> None:
    answer = client.post("/v1/tag", files=files)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, message)


FORM = {"content-type": "multipart/form-data; boundary=B"}
PART = b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\nsound'


@pytest.mark.parametrize(
    ("headers", "content", "status", "message"),
    [
        ({}, b"", 400, "expected a recording in the body, which is empty"),
        (FORM, PART, 400, "the form is cut off"),
        (FORM, b"", 400, "the form is cut off"),
        (
            FORM,
            PART.replace(b"sound", b"") + b"\r\n--B--\r\n",
            400,
            "expected a recording in the body, which is",
        ),
        (FORM, b"no form", 400, "the body is not multipart/form-data: "),
        (FORM, b"--B\r\n\r\nsound\r\n--B--\r\n", 400, "expected a form with one field, 'file', got ''"),
        (
            {"content-type": "multipart/form-data"},
            PART,
            400,
            "Content-Type: multipart/form-data needs a bound",
        ),
        (
            {"content-type": f"multipart/form-data; boundary={'B' * 999}"},
            PART,
            400,
            "the body is not multipart",
        ),
        (
            {"content-type": "application/json"},
            b"{}",
            415,
            "expected a recording or multipart/form-data, got",
        ),
        (
            {"content-encoding": "gzip"},
            b"x",
            415,
            "Content-Encoding: gzip is not read; send the file as it is",
        ),
    ],
)
def test_bodies_that_are_no_recordings_are_refused(
    client: TestClient, headers: dict[str, str], content: bytes, status: int, message: str
) -> None:
    answer = client.post("/v1/tag", headers=headers, content=content)
    assert answer.status_code == status
    assert answer.json()["error"]["message"].startswith(message)


def test_names_in_answers_are_one_line(client: TestClient) -> None:
    answer = client.post("/v1/tag", params={"name": "a\r\n\x00b" + 300 * "c"}, content=b"no sound")
    message = answer.json()["error"]["message"]
    assert message.startswith("a bccc")
    assert len(message.partition(":")[0]) == 255


def test_a_model_without_classes_only_embeds(engine: Any, sound: Sound) -> None:
    encoder = Recognizer(type(engine)(labels=()))
    with TestClient(create_app(encoder, ServiceSettings()), base_url="http://localhost") as client:
        assert client.post("/v1/embed", content=sound()).json()["dimension"] == 2
        for path in ("tag", "detect"):
            answer = client.post(f"/v1/{path}", content=sound())
            message = "model 'loudness' has no classes: it can only embed"
            assert (answer.status_code, answer.json()["error"]["message"]) == (400, message)


@pytest.mark.parametrize(("path", "status"), [("/v1/tags", 404), ("/v1/tag/", 404), ("/static/none", 404)])
def test_unknown_paths_are_told_like_other_problems(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, "not_found")


def test_unknown_methods_are_told_like_other_problems(client: TestClient) -> None:
    answer = client.get("/v1/tag")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_errors_of_the_network_are_told_without_their_insides(
    client: TestClient,
    engine: Any,
    sound: Sound,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(clips: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(engine, "frame_scores", fail)
    answer = client.post("/v1/tag", content=sound())
    assert answer.status_code == 500
    assert answer.json() == {"error": {"code": "internal_error", "message": "internal error"}}
    assert "secret" in caplog.text
    monkeypatch.undo()
    assert client.post("/v1/tag", content=sound()).status_code == 200


def test_it_is_alive_and_ready_until_it_ends(recognizer: Recognizer) -> None:
    app = create_app(recognizer, ServiceSettings())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    late = TestClient(app, base_url="http://127.0.0.1")
    assert late.get("/healthz").json() == {"status": "ok"}
    answer = late.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "shutting_down")
