"""Work that is done before it is asked for."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from enum import Enum
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class _End(Enum):
    END = "there is nothing more"


class Ahead(Generic[T]):
    """The items of a generator in their order, made by a thread of its own that begins at once.

    The thread is at most `n_items` ahead of who takes them; it costs what it has made, however far ahead it
    might be. What the generator raises is raised in place of the item. `close` waits for the item that is
    being made, then closes the generator.
    """

    def __init__(self, items: Generator[T, None, None], n_items: int) -> None:
        self._items = items
        self._room = Semaphore(n_items)
        self._made: SimpleQueue[Future[T | _End]] = SimpleQueue()
        self._is_closed = self._is_over = False
        # Who forgets to close must not keep the interpreter from ending.
        self._thread = Thread(target=self._make, name="htsat-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._is_over:
            raise StopIteration
        self._room.release()
        made = self._made.get()
        self._is_over = _is_last(made)
        item = made.result()
        if isinstance(item, _End):
            raise StopIteration
        return item

    def close(self) -> None:
        """End the thread; nothing can be taken any more."""
        self._is_closed = self._is_over = True
        self._room.release()
        self._thread.join()
        self._items.close()

    def _make(self) -> None:
        is_over = False
        while not is_over:
            self._room.acquire()
            if self._is_closed:
                return
            made = self._next()
            is_over = _is_last(made)
            self._made.put(made)

    def _next(self) -> Future[T | _End]:
        made: Future[T | _End] = Future()
        try:
            made.set_result(next(self._items, _End.END))
        except BaseException as error:  # raised again where the item is taken
            made.set_exception(error)
        return made


def _is_last(made: Future[T | _End]) -> bool:
    """Whether a generator has ended, well or not."""
    return made.exception() is not None or made.result() is _End.END
