"""Recordings that wait in a line until one thread has done something with each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Condition, Thread

from htsat.errors import HtsatError
from htsat.web.page.recording import Recording, StoppedError
from htsat.web.problems import ShuttingDownError

_LOG = logging.getLogger(__name__)


class Line:
    """A line of recordings and the thread that takes the first of them, again and again."""

    def __init__(self, name: str, work: Callable[[Recording], None]) -> None:
        self._work = work
        self._waiting: list[Recording] = []
        self._current: Recording | None = None
        self._changed = Condition()
        self._is_open = False
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work; can be done once."""
        self._is_open = True
        self._thread.start()

    def close(self) -> None:
        """Stop, also within a recording."""
        with self._changed:
            self._is_open = False
            self._waiting.clear()
            if self._current is not None:
                self._current.is_stopped = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def add(self, recording: Recording, *, first: bool = False) -> None:
        """Let a recording wait; one that waits already can be moved to the front."""
        with self._changed:
            if recording is self._current or (recording in self._waiting and not first):
                return
            if recording in self._waiting:
                self._waiting.remove(recording)
            self._waiting.insert(0 if first else len(self._waiting), recording)
            self._changed.notify_all()

    def remove(self, recording: Recording) -> None:
        """Let a recording not wait any more; one that is being worked on is finished with first."""
        with self._changed:
            if recording in self._waiting:
                self._waiting.remove(recording)
            self._changed.wait_for(lambda: self._current is not recording)

    def _run(self) -> None:
        while (recording := self._next()) is not None:
            _do(self._work, recording)
            with self._changed:
                self._current = None
                self._changed.notify_all()

    def _next(self) -> Recording | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._is_open)
            self._current = self._waiting.pop(0) if self._waiting and self._is_open else None
            return self._current


def _do(work: Callable[[Recording], None], recording: Recording) -> None:
    """Work on a recording; whatever goes wrong stands in its record, and the line goes on."""
    name, path = recording.place.name, str(recording.place.path)
    try:
        work(recording)
    except (StoppedError, ShuttingDownError):
        return
    except HtsatError as error:
        recording.fail(str(error).replace(path, name))
    except OSError as error:
        recording.fail(f"{name}: {error.strerror or type(error).__name__}")
    except Exception:  # the next recording is heard all the same
        _LOG.exception("%s could not be heard", path)
        recording.fail(f"{name}: could not be heard, because of an internal error")
