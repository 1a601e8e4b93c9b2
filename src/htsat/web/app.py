"""The application of `htsat serve`: the page, the paths for programs, and what stands before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from htsat.recognition.recognizer import Recognizer
from htsat.web.api import Service, api_routes
from htsat.web.front import Front
from htsat.web.guard import Guard
from htsat.web.lanes import Lanes
from htsat.web.listener import Listener
from htsat.web.metrics import Metrics
from htsat.web.page.routes import page_routes
from htsat.web.page.workspace import Workspace
from htsat.web.problems import Problem
from htsat.web.settings import ServiceSettings
from htsat.web.uploads import Inbox

STATIC = Path(__file__).parent / "static"


def create_app(model: Recognizer, settings: ServiceSettings) -> Starlette:
    """The application that listens with a model; it begins to listen when it is started."""
    metrics = Metrics()
    listener = Listener(model, settings, metrics.batch)
    lanes = Lanes(listener.places.n_lanes, settings.idle_s)
    inbox = Inbox(settings)
    service = Service(listener, lanes, metrics, inbox)
    workspace = Workspace(model, listener.submit_scores, settings)
    routes: list[BaseRoute] = [*api_routes(service), *page_routes(workspace), *_files()]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with inbox, listener, workspace:
            yield

    app = Starlette(
        routes=routes,
        middleware=[Middleware(Front, Guard(settings), metrics, routes)],
        exception_handlers={HTTPException: _http_problem},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _files() -> list[BaseRoute]:
    """The page itself."""

    async def index(_: Request) -> Response:
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    return [Route("/", index), Mount("/static", StaticFiles(directory=STATIC))]


async def _http_problem(_: Request, error: Exception) -> Response:
    """Unknown paths and methods, told like all other problems."""
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    return Problem(error.status_code, code, error.detail).response(error.headers)
