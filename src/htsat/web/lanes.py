"""Work in threads for clients that may go away: so many pieces of it at once, and none that nobody wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from functools import partial
from threading import Event, Lock
from typing import TypeVar

from anyio import CancelScope, CapacityLimiter, create_task_group, fail_after, to_thread
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from htsat.web.problems import DisconnectedError

T = TypeVar("T")


class Steps:
    """A generator that threads advance and that can be closed at any time; `make` is told how to notice."""

    def __init__(self, make: Callable[[Callable[[], bool]], Generator[str, None, None]]) -> None:
        self._is_closed = Event()
        self._lock = Lock()
        self._pieces = make(self._is_closed.is_set)

    def next(self) -> str | None:
        """The next piece; None at the end."""
        with self._lock:
            return next(self._pieces, None)

    def give_up(self) -> None:
        """Let the piece that is being made be the last."""
        self._is_closed.set()

    def close(self) -> None:
        """End the generator, once the piece that is being made is done."""
        self.give_up()
        with self._lock:
            self._pieces.close()


class Lanes:
    """So many pieces of work are done at the same time; others wait in the order in which they came."""

    def __init__(self, n_lanes: int, idle_s: float) -> None:
        self._limiter = CapacityLimiter(n_lanes)
        self._idle_s = idle_s

    async def first(self, steps: Steps, request: Request) -> str | None:
        """The first piece, unless the client goes away before.

        Raises:
            DisconnectedError: when it does.
        """
        outcome: str | Exception | None = DisconnectedError("the client has gone")
        async with create_task_group() as group:
            group.start_soon(_give_up_when_gone, request, steps, group.cancel_scope)
            try:
                outcome = await self._run(steps.next)
            except Exception as error:  # the task group would wrap it
                outcome = error
            group.cancel_scope.cancel()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def response(self, first: str, steps: Steps, media_type: str) -> StreamingResponse:
        """The answer that begins with the first piece; the others are made as it is sent."""
        return _PatientResponse(self._rest(first, steps), media_type, self._idle_s)

    async def _rest(self, first: str, steps: Steps) -> AsyncIterator[str]:
        piece: str | None = first
        while piece is not None:
            if piece:
                yield piece
            piece = await self._run(steps.next)

    async def _run(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._limiter)


class _PatientResponse(StreamingResponse):
    """Sends as fast as the client takes it, and ends where it takes nothing for `idle_s`."""

    def __init__(self, pieces: AsyncIterator[str], media_type: str, idle_s: float) -> None:
        super().__init__(pieces, media_type=media_type)
        self._idle_s = idle_s

    async def stream_response(self, send: Send) -> None:
        await super().stream_response(partial(self._send, send))

    async def _send(self, send: Send, message: Message) -> None:
        try:
            with fail_after(self._idle_s):
                await send(message)
        except TimeoutError:
            raise DisconnectedError(f"the client took nothing for {self._idle_s:g} s") from None


async def _give_up_when_gone(request: Request, steps: Steps, scope: CancelScope) -> None:
    """Wait for the client to leave; then nobody needs the work, nor a place in the queue for it."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    steps.give_up()
    scope.cancel()
