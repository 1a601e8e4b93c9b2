"""`/v1`: a recording in the body of a request, tags, events or embeddings in the answer.

    place ─► body to a file ─► a free lane: read, heard, concluded in a thread ─► answer

Each of these ends as soon as the client goes away, and leaves no file behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import htsat
from htsat.errors import HtsatError
from htsat.recognition.hearing import Per
from htsat.web import answers
from htsat.web.answers import Conclusion
from htsat.web.lanes import Lanes, Steps
from htsat.web.listener import Listener
from htsat.web.metrics import CONTENT_TYPE, Metrics
from htsat.web.openapi import openapi_document
from htsat.web.parameters import RULES, Query, chosen_rules
from htsat.web.problems import BadRequestError, Problem, ShuttingDownError
from htsat.web.uploads import Inbox, Upload

_YES_NO = ("true", "false")


@dataclass(frozen=True)
class Service:
    """What the paths share."""

    listener: Listener
    lanes: Lanes
    metrics: Metrics
    inbox: Inbox


class Endpoint:
    """A path that takes a recording.

    An ASGI application rather than a function, so that place and file last until the answer is sent.
    """

    def __init__(
        self, service: Service, parameters: Collection[str], understand: Callable[[Query], Conclusion]
    ) -> None:
        self._service = service
        self._parameters = ("name", *parameters)
        self._understand = understand

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        conclusion = self._understand(Query(request.query_params, self._parameters))
        service = self._service
        with service.listener.places.take():
            async with service.inbox.received(request) as upload:
                with closing(Steps(lambda is_closed: self._pieces(upload, conclusion, is_closed))) as steps:
                    first = await service.lanes.first(steps, request)
                    response = service.lanes.response(first or "", steps, conclusion.media_type)
                    await response(scope, receive, send)

    def _pieces(
        self, upload: Upload, conclusion: Conclusion, is_closed: Callable[[], bool]
    ) -> Generator[str, None, None]:
        """The body of the answer; an error after its beginning is its last line."""
        listener = self._service.listener
        has_begun = False
        try:
            with listener.opened(upload.path, upload.name, is_closed) as sound:
                for piece in conclusion.pieces(listener.recognizer, sound, upload.name):
                    yield piece
                    has_begun = True
        except HtsatError as error:
            if not has_begun:
                raise
            yield json.dumps(Problem.of(error).document) + "\n"
        self._service.metrics.sound(sound.duration_s)


def api_routes(service: Service) -> list[Route]:
    """The paths for programs."""
    model = service.listener.description

    def tag(query: Query) -> Conclusion:
        _require_classes(service)
        return answers.tags(query.count("top", 5), query.probability("min_probability") or 0.0)

    def detect(query: Query) -> Conclusion:
        _require_classes(service)
        conclude = {"true": answers.events_as_they_settle, "false": answers.events}
        return conclude[query.choice("stream", _YES_NO, "false")](chosen_rules(query, model))

    def embed(query: Query) -> Conclusion:
        return answers.embeddings(cast("Per", query.choice("per", ("clip", "frame"), "clip")))

    rules = ("threshold", "classes", *RULES)
    return [
        Route("/v1/tag", Endpoint(service, ("top", "min_probability"), tag), methods=["POST"]),
        Route("/v1/detect", Endpoint(service, ("stream", *rules), detect), methods=["POST"]),
        Route("/v1/embed", Endpoint(service, ("per",), embed), methods=["POST"]),
        *_facts(service),
    ]


def _require_classes(service: Service) -> None:
    model = service.listener.description
    if not len(model.labels):
        raise BadRequestError(f"model {model.name!r} has no classes: it can only embed")


def _facts(service: Service) -> list[Route]:
    """What the service says about itself."""
    listener = service.listener

    async def model(_: Request) -> Response:
        return JSONResponse(answers.model_document(listener.description, htsat.__version__))

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readiness(_: Request) -> Response:
        if not listener.is_running:
            raise ShuttingDownError
        return JSONResponse({"status": "ready"})

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(service.metrics.text(listener.places.n_taken), media_type=CONTENT_TYPE)

    async def description(_: Request) -> Response:
        return JSONResponse(openapi_document(htsat.__version__, listener.description.labels))

    return [
        Route("/v1/model", model),
        Route("/healthz", health),
        Route("/readyz", readiness),
        Route("/metrics", metrics),
        Route("/openapi.json", description),
    ]
