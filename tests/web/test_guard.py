"""Who is let in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from htsat.errors import ConfigError
from htsat.web.guard import HEADERS
from htsat.web.settings import ServiceSettings, is_loopback

Asking = Callable[..., Any]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("path", ["/", "/v1/model", "/metrics", "/openapi.json", "/static/icon.svg", "/none"])
def test_without_the_token_nothing_is_told(asking: Asking, path: str) -> None:
    with asking(token="sesame") as client:
        for headers in ({}, {"authorization": "Bearer Sesame"}, {"authorization": "Basic sesame"}):
            answer = client.get(path, headers=headers)
            assert code(answer) == (401, "unauthorized")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert client.get(path, headers={"authorization": "bearer sesame"}).status_code != 401
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_without_the_token_no_recording_is_read(
    asking: Asking, sound: Callable[..., bytes], engine: Any
) -> None:
    with asking(token="sesame") as client:
        assert code(client.post("/v1/tag", content=sound())) == (401, "unauthorized")
        assert engine.batch_sizes == []
        brought = {"authorization": "Bearer sesame"}
        assert client.post("/v1/tag", content=sound(), headers=brought).status_code == 200


def test_a_person_brings_the_token_once(asking: Asking) -> None:
    with asking(token="sesame") as client:
        assert code(client.get("/?token=wrong")) == (401, "unauthorized")
        welcome = client.get("/?token=sesame", follow_redirects=False)
        assert (welcome.status_code, welcome.headers["location"]) == (303, "/")
        cookie = welcome.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "secure" not in cookie
        assert client.get("/v1/model").status_code == 200
        client.cookies.clear()
        assert client.get("/v1/model").status_code == 401


def test_the_cookie_stays_encrypted_where_the_connection_is(asking: Asking) -> None:
    with asking(token="sesame", allowed_hosts=("sounds.example",)) as client:
        welcome = client.get("https://sounds.example/?token=sesame", follow_redirects=False)
        assert "; secure" in welcome.headers["set-cookie"].lower()


def test_the_token_in_an_address_opens_the_page_alone(asking: Asking) -> None:
    with asking(token="sesame") as client:
        assert client.get("/v1/model?token=sesame").status_code == 401
        assert client.post("/?token=sesame").status_code == 401


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "127.1.2.3"])
def test_this_machine_is_known_by_its_names(client: TestClient, host: str) -> None:
    assert client.get("/v1/model", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "127.evil", "", "[::1", "localhost."]
)
def test_names_that_were_pointed_here_are_refused(client: TestClient, host: str) -> None:
    assert code(client.get("/v1/model", headers={"host": host})) == (403, "foreign")
    assert client.get("/healthz", headers={"host": host}).status_code == 200


def test_a_host_does_not_pass_for_an_open_path(asking: Asking) -> None:
    with asking(host="0.0.0.0", token="sesame") as client:
        for host in ("127.0.0.1/healthz?", "127.0.0.1/healthz#"):
            assert client.get("/v1/model", headers={"host": host}).status_code == 401


def test_further_names_are_allowed(asking: Asking, sound: Callable[..., bytes]) -> None:
    with asking(allowed_hosts=("Sounds.Example",)) as client:
        assert client.get("/v1/model", headers={"host": "sounds.example"}).status_code == 200
        headers = {"host": "127.0.0.1:8000", "origin": "https://sounds.example"}  # as from a reverse proxy
        assert client.post("/v1/tag", content=sound(), headers=headers).status_code == 200
        assert client.get("/v1/model", headers={"host": "evil.example"}).status_code == 403


def test_a_service_for_other_machines_goes_by_any_name_unless_names_are_given(asking: Asking) -> None:
    with asking(host="0.0.0.0") as client:
        assert client.get("/v1/model", headers={"host": "anything.example"}).status_code == 200
    with asking(host="0.0.0.0", allowed_hosts=("sounds.example",)) as client:
        assert client.get("/v1/model", headers={"host": "anything.example"}).status_code == 403
        assert client.get("/v1/model", headers={"host": "sounds.example:80"}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:8001", "http://localhost:8000", "x://", "http://[::1"],
)
def test_pages_of_others_send_nothing(
    client: TestClient, sound: Callable[..., bytes], engine: Any, origin: str
) -> None:
    answer = client.post("/v1/tag", content=sound(), headers={"origin": origin})
    assert code(answer) == (403, "foreign")
    assert engine.batch_sizes == []


def test_our_own_page_sends(client: TestClient, sound: Callable[..., bytes]) -> None:
    headers = {"origin": "http://127.0.0.1:8000"}
    assert client.post("/v1/tag", content=sound(), headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1/model", "/v1/tag", "/none", "/healthz", "/static/icon.svg"])
def test_every_answer_keeps_other_hosts_out(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cache-control"] in ("no-store", "no-cache")


def test_refusals_and_internal_errors_have_the_headers_too(
    client: TestClient, engine: Any, sound: Any
) -> None:
    engine.frame_scores = None
    for answer in (
        client.get("/v1/model", headers={"host": "evil.example"}),
        client.post("/v1/tag", content=sound()),
    ):
        assert answer.status_code in (403, 500)
        assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"token": ""}, "token must be at least one printable ASCII character"),
        ({"token": "ä"}, "token must be at least one printable ASCII character"),
        ({"token": "a;b"}, "token must not hold spaces"),
        ({"queue_length": 0}, "queue_length must be at least 1, got 0"),
        ({"max_upload_bytes": 0}, "max_upload_bytes must be at least 1, got 0"),
        ({"max_duration_s": float("inf")}, "max_duration_s must be a number of seconds above 0, got inf"),
        ({"idle_s": 0.0}, "idle_s must be a number of seconds above 0, got 0.0"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ServiceSettings(**settings)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("", False),
        ("example", False),
    ],
)
def test_this_machine_is_told_from_others(host: str, is_local: bool) -> None:
    assert is_loopback(host) == is_local
