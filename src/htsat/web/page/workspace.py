"""The recordings of the page: files of folders that were given at the start, and uploads.

    WORKSPACE/uploads/ID/NAME        uploads, with their labels beside them: a folder for `htsat finetune`
    WORKSPACE/.htsat/ID/             what was found out about a recording, and what its uploader called it
    WORKSPACE/.htsat/model.npz       what the model answers to a known sound: scores of another are of no use

Recordings are looked at and heard one after the other, uploads at once and files when they are first opened.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path, PurePath
from types import TracebackType
from typing import Self

from htsat.bulk.inputs import FILES_ALONE, find_inputs
from htsat.errors import DataError
from htsat.files import atomic_path, remove_unfinished, temporary_folder, write_text
from htsat.recognition.recognizer import Recognizer
from htsat.web.page.labels import labelled_in, read_labels
from htsat.web.page.lines import Line
from htsat.web.page.names import as_text, new_id, path_id
from htsat.web.page.problems import CannotSaveError, NotFoundError, UnreadableLabelsError
from htsat.web.page.recording import Listen, Place, Recording
from htsat.web.page.same_model import keep_scores_of
from htsat.web.page.sound import recording_name
from htsat.web.problems import BadRequestError
from htsat.web.settings import ServiceSettings
from htsat.web.uploads import Inbox

_STATE, _UPLOADS, _ABOUT = ".htsat", "uploads", "recording.json"


class Workspace:
    """All recordings, for many threads; a context manager that looks and listens in the background.

    Without a folder in the settings everything lies in a temporary one, which is removed at the end; labels
    of files that were given at the start stay beside these.

    Raises:
        DataError: when what was given at the start is no recording, or the folder cannot be used.
    """

    def __init__(self, model: Recognizer, listen: Listen, settings: ServiceSettings) -> None:
        self._resources = ExitStack()
        self._recognizer = model
        self.model = model.description
        self.settings = settings
        self.folder = settings.workspace or Path()
        self._look = Line("htsat-page-look", lambda recording: recording.look(settings.max_duration_s))
        self._hear = Line("htsat-page-hear", lambda recording: recording.hear(listen))
        self.inbox = Inbox(settings)
        self.is_closed = False
        self._given = _given(settings.recordings)
        self._recordings: dict[str, Recording] = {}
        if settings.workspace is not None:
            _make(self.folder)

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            resources.enter_context(self.inbox)
            if self.settings.workspace is None:
                temporary = temporary_folder(Path(tempfile.gettempdir()), "htsat-page-")
                self.folder = resources.enter_context(temporary)
                _make(self.folder)
            elif len(self.model.labels):
                keep_scores_of(self._recognizer, self.folder / _STATE)
            self._find_recordings()
            self._resources = resources.pop_all()
        self._look.start()
        self._hear.start()
        for recording in self:
            if recording.place.is_upload and recording.progress.state == "waiting":
                self._let_wait(recording)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop looking and listening; a temporary folder is removed."""
        self.is_closed = True
        self._look.close()
        self._hear.close()
        self._resources.close()

    def __iter__(self) -> Iterator[Recording]:
        return iter(list(self._recordings.values()))

    def __getitem__(self, recording_id: str) -> Recording:
        try:
            return self._recordings[recording_id]
        except KeyError:
            raise NotFoundError("there is no such recording") from None

    def open(self, recording_id: str) -> Recording:
        """A recording that somebody looks at: it is heard before others, unless it has been."""
        recording = self[recording_id]
        recording.forget_if_changed()
        if recording.progress.state == "waiting":
            self._let_wait(recording, first=True)
        return recording

    def add(self, upload: Path, name: str) -> Recording:
        """Take a file that was uploaded, by moving it, under the name that its sender gave it.

        Raises:
            CannotSaveError: when there is no room for it, or no other way to write it.
        """
        upload_id = new_id()
        place = _upload_place(self.folder, upload_id, name, recording_name(upload, name))
        about = self.folder / _STATE / upload_id / _ABOUT
        try:
            write_text(about, json.dumps({"name": name, "file": place.path.name, "added": time.time()}))
            place.path.parent.mkdir(parents=True)
            with atomic_path(place.path) as temporary:  # the inbox may lie on another disk
                shutil.move(upload, temporary)
        except OSError as error:
            _forget(about, place)
            raise CannotSaveError(f"{name}: cannot be kept: {error.strerror}") from error
        recording = self._recordings[upload_id] = self._recording(place)
        self._let_wait(recording)
        return recording

    def delete(self, recording_id: str) -> None:
        """Forget an upload, with its labels.

        Raises:
            NotFoundError: when there is no such recording.
            BadRequestError: when it was not uploaded.
        """
        recording = self[recording_id]
        if not recording.place.is_upload:
            raise BadRequestError(f"{recording.place.name}: was not uploaded, and is not deleted from here")
        self._recordings.pop(recording_id, None)
        recording.is_stopped = True
        self._look.remove(recording)
        self._hear.remove(recording)
        shutil.rmtree(recording.place.path.parent, ignore_errors=True)
        shutil.rmtree(recording.folder, ignore_errors=True)

    def _find_recordings(self) -> None:
        uploaded = _uploaded(self.folder)
        taken = {place.path.resolve() for place in uploaded}  # the workspace itself may have been given
        places = [*(place for place in self._given if place.path.resolve() not in taken), *uploaded]
        self._recordings = {place.id: self._recording(place) for place in places}
        self._note_labels()

    def _let_wait(self, recording: Recording, *, first: bool = False) -> None:
        self._look.add(recording, first=first)
        self._hear.add(recording, first=first)

    def _recording(self, place: Place) -> Recording:
        return Recording(place, self.folder / _STATE / place.id, self.model)

    def _note_labels(self) -> None:
        """Find the labels that are there already."""
        names: dict[Path, set[str]] = {}
        for recording in self:
            names.setdefault(recording.place.path.parent, set()).add(recording.place.path.name)
        labelled = {folder: labelled_in(folder, of_folder) for folder, of_folder in names.items()}
        for recording in self:
            path = recording.place.path
            if path.name in labelled[path.parent]:
                with suppress(UnreadableLabelsError):  # who opens it is told
                    recording.note_labels(read_labels(path))


def _make(folder: Path) -> None:
    try:
        (folder / _STATE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be the workspace: {error.strerror}") from error


def _given(paths: Iterable[Path]) -> list[Place]:
    """The recordings of files and folders, each once; names of different folders stay apart."""
    places: dict[str, Place] = {}
    for number, path in enumerate(paths, start=1):
        for found in find_inputs(str(path)):
            if found.path is None:
                raise DataError(f"the page opens recordings by their place: {FILES_ALONE}")
            place_id = path_id(found.path)
            packed = PurePath(str(number), *found.name.parts)
            places.setdefault(place_id, Place(place_id, as_text(str(found.name)), found.path, packed, False))
    return list(places.values())


def _uploaded(folder: Path) -> list[Place]:
    """Uploads of an earlier service in their order; what broke off on its way in is removed."""
    found: list[tuple[float, Place]] = []
    for unfinished in (folder / _STATE).glob(f"*/.{_ABOUT}.*"):
        remove_unfinished(unfinished.parent)
        with suppress(OSError):  # where there is more in it
            unfinished.parent.rmdir()
    for about in (folder / _STATE).glob(f"*/{_ABOUT}"):
        try:
            document = json.loads(about.read_text(encoding="utf-8"))
            file = PurePath(str(document["file"])).name
            place = _upload_place(folder, about.parent.name, str(document["name"]), file)
            added_s = float(document["added"])
        except (ValueError, KeyError, TypeError):
            shutil.rmtree(about.parent, ignore_errors=True)
        except OSError:  # it may be read another time
            continue
        else:
            if place.path.is_file():
                found.append((added_s, place))
            else:
                _forget(about, place)
    return [place for _, place in sorted(found)]


def _forget(about: Path, place: Place) -> None:
    """Remove what there is of an upload that broke off; what is not ours stays."""
    remove_unfinished(place.path.parent)
    with suppress(OSError):
        place.path.parent.rmdir()
    shutil.rmtree(about.parent, ignore_errors=True)


def _upload_place(folder: Path, upload_id: str, name: str, file: str) -> Place:
    path = folder / _UPLOADS / upload_id / file
    return Place(upload_id, name, path, PurePath(_UPLOADS, upload_id, path.name), True)
