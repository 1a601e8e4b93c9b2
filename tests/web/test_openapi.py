"""The description of the service says what the service does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

import htsat
from htsat.web import problems
from htsat.web.api import Endpoint
from htsat.web.openapi import openapi_document

from .conftest import LABELS

Sound = Callable[..., bytes]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document(htsat.__version__, LABELS)


@pytest.fixture
def routes(client: TestClient) -> list[Route]:
    """The paths for programs of a real application."""
    found = client.app.router.routes  # type: ignore[attr-defined]
    return [route for route in found if isinstance(route, Route) and not route.path.startswith("/page")]


def resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A part, or what it refers to."""
    while "$ref" in part:
        place = document
        for key in part["$ref"].removeprefix("#/").split("/"):
            place = place[key]
        part = place
    return part


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def test_it_is_served_with_the_version(client: TestClient, document: dict[str, Any]) -> None:
    assert client.get("/openapi.json").json() == document
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == htsat.__version__
    classes = document["components"]["parameters"]["classes"]
    assert classes["schema"]["items"] == {"type": "string", "enum": list(LABELS)}


def test_a_model_without_classes_names_none() -> None:
    classes = openapi_document("1", ())["components"]["parameters"]["classes"]
    assert classes["schema"]["items"] == {"type": "string"}


def test_all_references_lead_somewhere_and_all_schemas_are_schemas(document: dict[str, Any]) -> None:
    def walk(part: Any) -> None:
        if isinstance(part, dict):
            resolved(document, part)
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(document)
    for one in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(one)
    for one in document["components"]["parameters"].values():
        jsonschema.Draft202012Validator.check_schema(one["schema"])


def test_paths_and_methods_are_those_of_the_application(
    document: dict[str, Any], routes: list[Route]
) -> None:
    real = {
        (r.path, m.lower()) for r in routes for m in r.methods or ("post",) if r.path != "/" and m != "HEAD"
    }
    assert real == {(path, method) for path, methods in document["paths"].items() for method in methods}


def test_parameters_are_those_that_are_read(document: dict[str, Any], routes: list[Route]) -> None:
    endpoints = {route.path: route.endpoint for route in routes if isinstance(route.endpoint, Endpoint)}
    assert sorted(endpoints) == ["/v1/detect", "/v1/embed", "/v1/tag"]
    for path, endpoint in endpoints.items():
        stated = [resolved(document, p)["name"] for p in document["paths"][path]["post"]["parameters"]]
        assert sorted(stated) == sorted(endpoint._parameters)


def test_every_problem_of_a_recording_is_stated(document: dict[str, Any]) -> None:
    kinds = [kind for kind in vars(problems).values() if isinstance(kind, type)]
    statuses = {str(k.status) for k in kinds if issubclass(k, problems.ServiceError)} - {"499"} | {"422"}
    for path in ("/v1/tag", "/v1/detect", "/v1/embed"):
        assert set(document["paths"][path]["post"]["responses"]) == statuses | {"200"}


@pytest.mark.parametrize(
    ("path", "name"),
    [("tag", "Tagged"), ("detect", "Detected"), ("embed", "Embedded"), ("embed?per=frame", "Embedded")],
)
def test_answers_about_recordings_have_the_stated_form(
    client: TestClient, document: dict[str, Any], sound: Sound, path: str, name: str
) -> None:
    jsonschema.validate(client.post(f"/v1/{path}", content=sound(9.0)).json(), schema(document, name))
    jsonschema.validate(client.post(f"/v1/{path}", content=b"no").json(), schema(document, "Problem"))


def test_streamed_answers_have_the_stated_form(
    client: TestClient, document: dict[str, Any], sound: Sound
) -> None:
    *events, last = client.post("/v1/detect?stream=true", content=sound(9.0)).text.splitlines()
    assert events
    for event in events:
        jsonschema.validate(json.loads(event), schema(document, "StreamedEvent"))
    jsonschema.validate(json.loads(last), schema(document, "Done"))


@pytest.mark.parametrize(
    ("path", "name"), [("/v1/model", "Model"), ("/healthz", "Status"), ("/readyz", "Status")]
)
def test_answers_about_the_service_have_the_stated_form(
    client: TestClient, document: dict[str, Any], path: str, name: str
) -> None:
    jsonschema.validate(client.get(path).json(), schema(document, name))


def test_defaults_are_those_that_apply(client: TestClient, document: dict[str, Any], sound: Sound) -> None:
    for path, item in document["paths"].items():
        if "post" in item:
            parameters = [resolved(document, parameter) for parameter in item["post"]["parameters"]]
            defaults = {p["name"]: p["schema"]["default"] for p in parameters if "default" in p["schema"]}
            plain = client.post(path, content=sound(9.0))
            assert client.post(path, params=defaults, content=sound(9.0)).text == plain.text
