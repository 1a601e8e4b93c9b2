"""The paths of the page: recordings, their progress, and what `views`, `editing` and `ranges` answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from htsat.web.page.editing import Editing
from htsat.web.page.recording import Recording
from htsat.web.page.views import Views
from htsat.web.page.workspace import Workspace

_LOOK_S = 0.2
"""How often a change of a record is looked for."""
_SIGN_OF_LIFE_S = 10.0

RECORDINGS = "/page/recordings"
RECORDING = RECORDINGS + "/{id}"


def page_routes(workspace: Workspace) -> list[Route]:
    """All paths of the page. Errors are raised as `HtsatError`, for who stands before them to answer."""
    own, views, editing = _Recordings(workspace), Views(workspace), Editing(workspace)
    return [
        Route("/page/model", views.model),
        Route(RECORDINGS, own.all),
        Route(RECORDINGS, own.upload, methods=["POST"]),
        Route(RECORDING, own.one),
        Route(RECORDING, own.delete, methods=["DELETE"]),
        Route(f"{RECORDING}/progress", own.progress),
        Route(f"{RECORDING}/audio", views.audio),
        Route(f"{RECORDING}/waveform", views.waveform),
        Route(f"{RECORDING}/spectrogram", views.spectrogram),
        Route(f"{RECORDING}/scores", views.scores),
        Route(f"{RECORDING}/tags", views.tags),
        Route(f"{RECORDING}/events", views.events),
        Route(f"{RECORDING}/events.{{ending}}", editing.download),
        Route(f"{RECORDING}/labels", editing.labels),
        Route(f"{RECORDING}/labels", editing.save, methods=["PUT"]),
        Route(f"{RECORDING}/labels", editing.remove, methods=["DELETE"]),
        Route("/page/labels.zip", editing.archive),
    ]


class _Recordings:
    """The list of recordings, and each of them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def all(self, _: Request) -> Response:
        return JSONResponse([recording.document() for recording in self._workspace])

    async def upload(self, request: Request) -> Response:
        async with self._workspace.inbox.received(request) as upload:
            recording = await run_in_threadpool(self._workspace.add, upload.path, upload.name)
        return JSONResponse(recording.document(), 201, {"location": f"{RECORDINGS}/{recording.place.id}"})

    def one(self, request: Request) -> Response:
        return JSONResponse(self._workspace.open(request.path_params["id"]).document())

    def delete(self, request: Request) -> Response:
        self._workspace.delete(request.path_params["id"])
        return Response(status_code=204)

    async def progress(self, request: Request) -> Response:
        recording = self._workspace[request.path_params["id"]]
        return StreamingResponse(self._changes(recording), media_type="text/event-stream")

    async def _changes(self, recording: Recording) -> AsyncIterator[str]:
        """The record whenever it changes, until it cannot any more."""
        told, quiet_s = "", 0.0
        while not (self._workspace.is_closed or recording.is_stopped):
            document = recording.document()
            text = json.dumps(document)
            if text != told:
                yield f"data: {text}\n\n"
                told, quiet_s = text, 0.0
            elif quiet_s >= _SIGN_OF_LIFE_S:
                yield ": still here\n\n"
                quiet_s = 0.0
            if document["state"] in ("done", "failed"):
                return
            await asyncio.sleep(_LOOK_S)
            quiet_s += _LOOK_S
