"""What every store offers, and the files that it keeps open."""

from __future__ import annotations

import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from htsat.audio import Stretch
from htsat.data.clip import Clip
from htsat.scores import FloatArray

_MAX_OPEN = 32


class Store(Protocol):
    """The sound of whole recordings, each in one way of storing."""

    def n_samples(self, clip: Clip, sample_rate: int) -> int:
        """Length of the clip's recording at a sample rate; raises AudioError when it cannot be known."""

    def read(self, clip: Clip, stretch: Stretch) -> FloatArray:
        """A stretch of the clip's recording, shorter where that ends; raises AudioError when unreadable."""

    def close(self) -> None:
        """Close what is open; it is opened again when it is needed."""


class Closable(Protocol):
    """Something that is open."""

    def close(self) -> None:
        """Close it."""


Place = TypeVar("Place", bound=Hashable)
Handle = TypeVar("Handle", bound=Closable)


class OpenFiles(Generic[Place, Handle]):
    """The files or servers used last, open, and opened anew in a process that was forked off."""

    def __init__(self, open_file: Callable[[Place], Handle]) -> None:
        self._open_file = open_file
        self._handles: OrderedDict[Place, Handle] = OrderedDict()
        self._process = os.getpid()
        weakref.finalize(self, _close_all, self._handles)

    def get(self, place: Place) -> Handle:
        """The open file at a place."""
        if self._process != os.getpid():
            self.close()
            self._process = os.getpid()
        if place not in self._handles:
            if len(self._handles) == _MAX_OPEN:
                self._handles.popitem(last=False)[1].close()
            self._handles[place] = self._open_file(place)
        self._handles.move_to_end(place)
        return self._handles[place]

    def close(self) -> None:
        """Close all."""
        _close_all(self._handles)


def _close_all(handles: dict[Place, Handle]) -> None:
    while handles:
        handles.popitem()[1].close()
