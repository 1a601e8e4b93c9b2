"""Work that is done before it is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class _End(Enum):
    END = "there is nothing more"


class Ahead(Generic[T]):
    """The items of a generator in their order, made by a thread of its own that begins at once.

    The thread is at most `n_items` ahead of who takes them. What the generator raises is raised in place of
    the item. `close` waits for the item that is being made, then closes the generator.
    """

    def __init__(self, items: Generator[T, None, None], n_items: int) -> None:
        self._items = items
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="htsat-ahead")
        self._requests: deque[Future[T | _End]] = deque(self._request() for _ in range(n_items))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        self._requests.append(self._request())
        item = self._requests.popleft().result()
        if isinstance(item, _End):
            raise StopIteration
        return item

    def close(self) -> None:
        """End the thread; nothing can be taken any more."""
        self._thread.shutdown(cancel_futures=True)
        self._items.close()

    def _request(self) -> Future[T | _End]:
        return self._thread.submit(next, self._items, _End.END)
