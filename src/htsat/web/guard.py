"""Who is let in: requests that bring the token, and browsers that were not led here by a foreign page.

A page of somebody else cannot read what is answered here, but it could send requests (refused by their
`Origin`), or have its own name point to this machine (refused by their `Host`).
"""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from htsat.web.problems import ForeignError, UnauthorizedError
from htsat.web.settings import ServiceSettings, is_loopback

OPEN_PATHS = ("/healthz", "/readyz")
"""What machines ask that watch over the service; it tells nothing."""
COOKIE = "htsat_token"

_READING = ("GET", "HEAD", "OPTIONS")

HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
}
"""Headers of every answer: nothing comes from another host, and no other page may show or use it."""


class Guard:
    """Looks at requests before anything else does."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._token = settings.token
        self._further_hosts = {host.lower() for host in settings.allowed_hosts}
        self._hosts = {settings.host.lower(), *self._further_hosts}
        self._is_strict = settings.is_local or bool(settings.allowed_hosts)

    def admit(self, request: Request) -> Response | None:
        """Let a request pass; a person who brings the token in the address gets a cookie instead.

        Raises:
            ForeignError: when a foreign page has led a browser here.
            UnauthorizedError: when the token is missing or wrong.
        """
        path = request.scope["path"]  # not that of `request.url`, which is made of the Host header
        if path in OPEN_PATHS:
            return None
        self._check_host(request.headers.get("host", ""))
        self._check_origin(request)
        if self._token is None:
            return None
        if path == "/" and request.method == "GET" and "token" in request.query_params:
            return self._welcome(request, self._token)
        if not _is_same(_brought(request), self._token):
            raise UnauthorizedError(
                "expected the token, as `Authorization: Bearer TOKEN` or at /?token=TOKEN"
            )
        return None

    def _check_host(self, host: str) -> None:
        name = _host_name(host)
        if self._is_strict and not (name in self._hosts or is_loopback(name)):
            raise ForeignError(f"Host: {host!r} is no name of this service (--allowed-host adds names)")

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if request.method in _READING or origin is None:
            return
        place = origin.partition("://")[2]
        if place != request.headers.get("host") and _host_name(place) not in self._further_hosts:
            raise ForeignError(f"Origin: {origin!r} is the page of somebody else")

    def _welcome(self, request: Request, token: str) -> Response:
        if not _is_same(request.query_params["token"], token):
            raise UnauthorizedError("the token in the address is wrong")
        response = RedirectResponse("/", 303)
        is_encrypted = request.scope["scheme"] == "https"
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=is_encrypted)
        return response


def _brought(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.cookies.get(COOKIE, "")


def _is_same(brought: str, token: str) -> bool:
    return secrets.compare_digest(brought.encode("utf-8", "surrogateescape"), token.encode())


def _host_name(netloc: str) -> str:
    """The name in `name:port` or `[address]:port`, in lower case; nothing where there is none."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""
