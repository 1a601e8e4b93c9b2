"""`htsat serve`: a local page, and the same over HTTP for programs."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import webbrowser
from argparse import ArgumentTypeError, Namespace
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from htsat.cli.listening import load_model
from htsat.cli.parser import Parser, add_model_options, count, path_on_disk, seconds
from htsat.cli.terminal import say
from htsat.errors import ConfigError, HtsatError

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from htsat.web.settings import ServiceSettings

_TOKEN_VARIABLE = "HTSAT_TOKEN"
_LARGEST_PORT = 65_535
_MOST_CONNECTIONS = 1000
"""More are refused with 503; those that only wait for a place are told so with 429 long before."""
_KEPT_S = 75
"""How long a connection that nobody uses stays open. Proxies and clients should close theirs first: a request
that is sent while this end closes gets no answer."""
_GRACE_S = 3
"""How long requests may go on after Ctrl-C."""


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse(argv)
    settings = _settings(args)
    with closing(_bound(args.host, args.port)) as listening:
        model = load_model(args)
        from htsat.web.app import create_app

        app = create_app(model, settings)
        address = _address(args.host, listening.getsockname()[1])
        shown = f"{address}?token={settings.token}" if settings.token else address
        problems = _watched(app, partial(_welcome, address, shown if args.open else None))
        _serve(app, listening)
    if problems:
        raise problems[0]
    return 0


def _settings(args: Namespace) -> ServiceSettings:
    from htsat.web.settings import ServiceSettings

    for path in args.recordings:
        if not path.exists():
            raise HtsatError(f"{path}: no such file or folder")
    if args.no_token and args.token is not None:
        raise ConfigError("--token and --no-token are given; one of them holds")
    settings = ServiceSettings(
        host=args.host,
        allowed_hosts=tuple(args.allowed_host),
        token=None if args.no_token else _token(args.token),
        max_upload_bytes=args.max_upload_mb * 1_000_000,
        max_duration_s=args.max_duration_s,
        queue_length=args.queue,
        workspace=args.workspace,
        recordings=tuple(args.recordings),
    )
    if not (settings.is_local or settings.token or args.no_token):
        raise ConfigError(
            f"--host {args.host} is reached by other machines: give a --token, or say --no-token"
        )
    return settings


def _token(given: str | None) -> str | None:
    """What was given, or stands in the environment."""
    return os.environ.get(_TOKEN_VARIABLE) if given is None else given


def _bound(host: str, port: int) -> socket.socket:
    """A socket that takes connections, so that nobody is refused while the model loads."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ConfigError(f"--host {host}: {error.strerror or error}") from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise HtsatError(f"port {port} of {host} is in use; --port chooses another") from error
        raise HtsatError(f"port {port} of {host}: {error.strerror or error}") from error
    return listening


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _watched(app: Starlette, begun: Callable[[], None]) -> list[Exception]:
    """What goes wrong when an application begins or ends; `begun` is called when it has begun."""
    problems: list[Exception] = []
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def watched(app: Any) -> AsyncIterator[None]:
        try:
            async with lifespan(app):
                begun()
                yield
        except Exception as error:  # uvicorn would show its traceback, and end with a code alone
            problems.append(error)
            raise

    app.router.lifespan_context = watched
    return problems


def _welcome(address: str, shown: str | None) -> None:
    """Say where it listens, and open a browser there, which may take its time."""
    say(f"listening at {address} (Ctrl-C ends)")
    if shown is not None:
        threading.Thread(target=webbrowser.open, args=[shown], daemon=True).start()


def _serve(app: Starlette, listening: socket.socket) -> None:
    """Answer until Ctrl-C, which is the usual end, or until the application cannot begin."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEPT_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)
    # What is cut off by Ctrl-C is no error, and why an application cannot begin is said in one line.
    logging.getLogger("uvicorn.error").addFilter(lambda _: server.started and not server.should_exit)
    # Uvicorn leaves by SystemExit where the application cannot begin; the only other reason is Ctrl-C.
    with suppress(KeyboardInterrupt, SystemExit):
        server.run(sockets=[listening])


def _parser() -> Parser:
    parser = Parser(
        "serve",
        "Listen for a page in the browser and for programs, over HTTP, until Ctrl-C.",
        "htsat serve recordings/ --open",
    )
    parser.add_argument(
        "recordings",
        nargs="*",
        type=path_on_disk,
        metavar="PATH",
        help="files and folders that the page shows",
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument(
        "--workspace", type=path_on_disk, metavar="FOLDER", help="where the page keeps what is given to it"
    )
    _add_access(parser)
    _add_limits(parser)
    add_model_options(parser)
    return parser


def _add_access(parser: Parser) -> None:
    group = parser.add_argument_group("access")
    group.add_argument(
        "--host",
        default="127.0.0.1",
        help="name or address to listen at (default: 127.0.0.1, this machine alone)",
    )
    group.add_argument(
        "--port", type=_port, default=8000, metavar="N", help="(default: 8000; 0: any that is free)"
    )
    group.add_argument(
        "--token",
        metavar="T",
        help=f"what every request must bring (default: the environment variable {_TOKEN_VARIABLE})",
    )
    group.add_argument("--no-token", action="store_true", help="let everybody in who reaches the address")
    group.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="further name by which browsers know the service, as behind a reverse proxy; may be repeated",
    )


def _add_limits(parser: Parser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument(
        "--max-upload-mb", type=count, default=1000, metavar="N", help="largest file, in MB (default: 1000)"
    )
    group.add_argument(
        "--max-duration-s",
        type=seconds,
        default=14_400.0,
        metavar="S",
        help="longest recording (default: 14400, 4 hours)",
    )
    group.add_argument(
        "--queue",
        type=count,
        default=32,
        metavar="N",
        help="requests that may wait; more are told to come again (default: 32)",
    )


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= _LARGEST_PORT):
        raise ArgumentTypeError(f"expected a whole number from 0 to {_LARGEST_PORT}, got {text!r:.80}")
    return int(text)
