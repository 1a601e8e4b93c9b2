"""What people make of a recording: labels, and files to take away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from htsat.errors import did_you_mean
from htsat.formats import EVENT_FORMATS, DetectedRecording, Format
from htsat.scores import SoundEvent
from htsat.web.page.archive import archive_of
from htsat.web.page.events import find_events
from htsat.web.page.label_input import MAX_BYTES, parse_labels
from htsat.web.page.labels import Labels, read_labels, remove_labels, save_labels
from htsat.web.page.problems import NotFoundError
from htsat.web.page.recording import Recording
from htsat.web.page.views import RULE_NAMES
from htsat.web.page.workspace import Workspace
from htsat.web.parameters import Query, chosen_rules
from htsat.web.problems import BadRequestError
from htsat.web.uploads import limited_body

_SHORT_ENDINGS = {"txt": "audacity", "raven.txt": "raven"}
"""Formats whose suffix others have too."""


class Editing:
    """Labels of recordings, and downloads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def labels(self, request: Request) -> Response:
        """The labels of a recording, or null."""
        recording = self._recording(request)
        with recording.label_lock:
            labels = read_labels(recording.place.path)
            recording.note_labels(labels)
        return JSONResponse(None if labels is None else _document(labels))

    async def save(self, request: Request) -> Response:
        """Save labels in place of those that there are."""
        recording = self._recording(request)
        labels = parse_labels(await self._json(request), recording.progress.duration_s)
        await run_in_threadpool(_save, recording, labels)
        return JSONResponse(_document(labels))

    def remove(self, request: Request) -> Response:
        """Forget the labels."""
        recording = self._recording(request)
        with recording.label_lock:
            remove_labels(recording.place.path)
            recording.note_labels(None)
        return Response(status_code=204)

    def download(self, request: Request) -> Response:
        """Events in one of the formats of `htsat detect`: those that are heard, or the labels."""
        recording = self._recording(request)
        text_format = _format(request.path_params["ending"])
        query = Query(request.query_params, (*RULE_NAMES, "source"))
        source = query.choice("source", ("heard", "labels"), "heard")
        events = _labelled(recording) if source == "labels" else self._heard(recording, query)
        duration_s = recording.progress.duration_s or recording.progress.heard_s
        text = text_format.describe(DetectedRecording(recording.place.name, duration_s, list(events)))
        content = (text_format.header + text).encode(errors="surrogateescape")
        name = PurePath(recording.place.name).stem + text_format.suffix
        return Response(content, headers=_attachment(name), media_type="text/plain; charset=utf-8")

    def archive(self, request: Request) -> Response:
        """All reviewed recordings with their labels."""
        Query(request.query_params, ())
        places = [recording.place for recording in self._workspace if recording.document()["reviewed"]]
        return StreamingResponse(
            archive_of(places), headers=_attachment("labels.zip"), media_type="application/zip"
        )

    def _recording(self, request: Request) -> Recording:
        return self._workspace[request.path_params["id"]]

    def _heard(self, recording: Recording, query: Query) -> Sequence[SoundEvent]:
        rules = chosen_rules(query, self._workspace.model)
        frames = recording.frames()
        return [] if frames is None else find_events(frames, rules)

    async def _json(self, request: Request) -> object:
        settings = self._workspace.settings
        limited = replace(settings, max_upload_bytes=min(MAX_BYTES, settings.max_upload_bytes))
        body = b"".join([piece async for piece in limited_body(request, limited)])
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise BadRequestError("expected JSON in the body") from None


def _save(recording: Recording, labels: Labels) -> None:
    with recording.label_lock:
        save_labels(recording.place.path, labels)
        recording.note_labels(labels)


def _labelled(recording: Recording) -> Sequence[SoundEvent]:
    labels = read_labels(recording.place.path)
    if labels is None:
        raise NotFoundError(f"{recording.place.name}: has no labels")
    return labels.events


def _document(labels: Labels) -> dict[str, object]:
    events = [
        {"label": event.label, "onset": event.onset_s, "offset": event.offset_s} for event in labels.events
    ]
    return {"reviewed": labels.reviewed, "events": events}


def _format(ending: str) -> Format[DetectedRecording]:
    """The format of a download, by its name or its suffix."""
    by_suffix = {text_format.suffix[1:].lower(): name for name, text_format in EVENT_FORMATS.items()}
    known = by_suffix | {name: name for name in EVENT_FORMATS} | _SHORT_ENDINGS
    try:
        return EVENT_FORMATS[known[ending.lower()]]
    except KeyError:
        raise NotFoundError(f"there is no format {ending!r}{did_you_mean(ending, known)}") from None


def _attachment(name: str) -> dict[str, str]:
    """How a download is called, whatever letters its name has."""
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in name)
    plain = plain.replace('"', "_").replace("\\", "_")
    encoded = quote(name.encode(errors="surrogateescape"), safe="")
    return {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"}
