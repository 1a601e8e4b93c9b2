"""One recording of the page: where it lies, and what is known of it so far."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from threading import Lock
from typing import Any, Literal, NamedTuple

from htsat.engines.protocol import ModelDescription
from htsat.errors import HtsatError
from htsat.files import write_text
from htsat.scores import FrameScores
from htsat.web.page.frames import FrameWriter, StoredFrames, open_frames
from htsat.web.page.labels import Labels
from htsat.web.page.overview import NOTHING_SEEN, Overview, Seen, look_at, read_seen
from htsat.web.page.problems import NotFoundError
from htsat.web.problems import TooLongError

State = Literal["waiting", "hearing", "done", "failed"]

Listen = Callable[[Path, str], Generator[FrameScores, None, None]]
"""The scores of a file as they come; errors call it by the name that is given."""

SCORES = "scores"
"""The folder of frame scores among what is known of a recording."""
_STAMP = "stamp"


class Place(NamedTuple):
    """Where a recording lies.

    `name` is what people call it, `packed` its place in an archive of labelled recordings.
    """

    id: str
    name: str
    path: Path
    packed: PurePath
    is_upload: bool


@dataclass(frozen=True)
class Progress:
    """How far a recording has been looked at and heard, or why it cannot be."""

    duration_s: float | None = None
    heard_s: float = 0.0
    seen: Seen = NOTHING_SEEN
    has_begun: bool = False
    is_seen: bool = False
    is_heard: bool = False
    error: str | None = None

    @property
    def state(self) -> State:
        """In one word."""
        if self.error is not None:
            return "failed"
        if self.is_seen and self.is_heard:
            return "done"
        return "hearing" if self.has_begun else "waiting"


class StoppedError(HtsatError):
    """Nobody wants to know any more: the recording is gone, or the service ends."""


class Recording:
    """What is known of a recording, for many threads; what is found out about it goes to `folder`."""

    def __init__(self, place: Place, folder: Path, model: ModelDescription) -> None:
        self.place = place
        self.folder = folder
        self.is_stopped = False
        self.label_lock = Lock()
        self._model = model
        self._lock = Lock()
        self._writer: FrameWriter | None = None
        self._labels: tuple[bool, int] | None = None
        self._progress = self._restored()

    @property
    def progress(self) -> Progress:
        """What is known now; a file that is not there any more has failed."""
        if not self.place.path.is_file():
            return Progress(error=f"{self.place.name}: is not there any more")
        return self._progress

    def document(self) -> dict[str, Any]:
        """The record that the page gets."""
        progress, labels = self.progress, self._labels
        return {
            "id": self.place.id,
            "name": self.place.name,
            "state": progress.state,
            "duration_s": progress.duration_s,
            "heard_s": progress.heard_s,
            "error": progress.error,
            "reviewed": labels is not None and labels[0],
            "n_labels": None if labels is None else labels[1],
        }

    def note_labels(self, labels: Labels | None) -> None:
        """Remember what labels there are."""
        self._labels = None if labels is None else (labels.reviewed, len(labels.events))

    def forget_if_changed(self) -> None:
        """Know nothing any more if the file is not the one that was looked at and heard."""
        with self._lock:
            if self._progress.state in ("done", "failed") and not self._is_same():
                self._progress = Progress()

    def fail(self, reason: str) -> None:
        """It cannot be looked at or heard; the first reason counts."""
        with self._lock:
            if self._progress.error is None:
                self._progress = replace(self._progress, error=reason)

    def look(self, max_duration_s: float) -> None:
        """Find out what it looks like.

        Raises:
            AudioError: when it cannot be decoded.
            TooLongError: when it lasts longer than is permitted.
            StoppedError: when nobody wants to know.
        """
        self._begin()
        if self._progress.is_seen:
            return
        sample_rate = self._model.sample_rate

        def tell(seen: Seen, duration_s: float | None) -> None:
            self._check_wanted()
            if max(duration_s or 0.0, seen.n_samples / sample_rate) > max_duration_s:
                raise TooLongError(f"{self.place.name}: lasts longer than {max_duration_s:g} s")
            self._advance(seen=seen, duration_s=duration_s)

        seen = look_at(self.place.path, self.folder, sample_rate, tell)
        self._advance(seen=seen, is_seen=True, duration_s=seen.n_samples / sample_rate)

    def hear(self, listen: Listen) -> None:
        """Find out what is heard in it; errors as of `look`, and those of `listen`."""
        self._begin()
        if self._progress.is_heard:
            return
        self._advance(has_begun=True)
        try:
            with closing(FrameWriter(self.folder / SCORES, self._model)) as self._writer:
                self._follow(listen, self._writer)
                self._writer.finish()
        finally:
            self._writer = None
        self._advance(is_heard=True)

    def frames(self) -> StoredFrames | None:
        """The scores so far; None where it is not heard yet."""
        writer = self._writer
        return open_frames(self.folder / SCORES, self._model) if writer is None else writer.view()

    def overview(self) -> Overview:
        """What it looks like, so far.

        Raises:
            NotFoundError: when nothing is known yet.
        """
        if not self._progress.seen.n_samples:
            raise NotFoundError(f"{self.place.name}: nothing has been decoded yet")
        return Overview(self.place.path, self.folder, self._model.sample_rate, self._progress.seen)

    def _follow(self, listen: Listen, writer: FrameWriter) -> None:
        with closing(listen(self.place.path, self.place.name)) as pieces:
            for scores in pieces:
                self._check_wanted()
                writer.append(scores)
                self._advance(heard_s=float(scores.grid.boundaries_s[-1]))

    def _advance(self, **changes: Any) -> None:
        with self._lock:
            self._progress = replace(self._progress, **changes)

    def _check_wanted(self) -> None:
        if self.is_stopped or self._progress.error is not None:
            raise StoppedError

    def _begin(self) -> None:
        """What is found out from now on is about the file as it is now."""
        with self._lock:
            if not self._is_same():
                self.folder.mkdir(parents=True, exist_ok=True)
                self._progress = Progress()
                write_text(self.folder / _STAMP, self._stamp())
        self._check_wanted()

    def _restored(self) -> Progress:
        """What an earlier service has found out, if the file is still the same."""
        if not self._is_same():
            return Progress()
        seen, frames = read_seen(self.folder), open_frames(self.folder / SCORES, self._model)
        duration_s = frames.summary.duration_s if frames else None
        return Progress(
            duration_s=duration_s,
            heard_s=duration_s or 0.0,
            seen=seen or NOTHING_SEEN,
            is_seen=seen is not None,
            is_heard=frames is not None,
        )

    def _is_same(self) -> bool:
        try:
            return (self.folder / _STAMP).read_text(encoding="utf-8") == self._stamp()
        except (OSError, NotFoundError):
            return False

    def _stamp(self) -> str:
        """Differs when the file was written again."""
        try:
            status = self.place.path.stat()
        except OSError as error:
            raise NotFoundError(f"{self.place.name}: is not there any more") from error
        return f"{status.st_size} {status.st_mtime_ns}"
