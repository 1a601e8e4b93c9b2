"""First to see a request and last to see the answer: guarded, counted, and never without an answer."""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError
from collections.abc import Iterable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from htsat.errors import HtsatError
from htsat.web.guard import HEADERS, Guard
from htsat.web.metrics import Metrics
from htsat.web.problems import Problem, ShuttingDownError, error_response

logger = logging.getLogger(__name__)

_OTHER = "other"
"""The route of requests that reach none."""


class Front:
    """Stands before the application."""

    def __init__(self, app: ASGIApp, guard: Guard, metrics: Metrics, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._guard = guard
        self._metrics = metrics
        self._paths = {id(route.app): route.path for route in routes if isinstance(route, Mount)} | {
            id(route.endpoint): route.path for route in routes if isinstance(route, Route)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()
        answer = _Watched(send)
        try:
            await self._answer(scope, receive, answer)
        finally:
            self._metrics.request(self._path(scope), answer.status, time.monotonic() - began_s)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Watched) -> None:
        try:
            response = self._guard.admit(Request(scope)) or self._app
            await response(scope, receive, answer)
        except HtsatError as error:
            self._metrics.rejection(Problem.of(error).code)
            if not answer.has_begun:
                await error_response(error)(scope, receive, answer)
        except CancelledError:  # the server ends, and has waited for long enough
            if not answer.has_begun:
                await error_response(ShuttingDownError())(scope, receive, answer)
        except Exception:  # no request stays without an answer
            logger.exception("internal error about %s %s", scope["method"], scope["path"])
            if answer.has_begun:
                raise
            await Problem(500, "internal_error", "internal error").response()(scope, receive, answer)

    def _path(self, scope: Mapping[str, object]) -> str:
        return self._paths.get(id(scope.get("endpoint")), _OTHER)


class _Watched:
    """Sends an answer with the headers that every answer has, and keeps its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.has_begun = message["status"], True
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await self._send(message)
