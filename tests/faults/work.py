"""What children of `warm.py` do: commands, and requests to a page."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import numpy as np

from htsat.cli.main import main
from htsat.engines.protocol import EngineOutput, ModelDescription
from htsat.labels import LabelSet
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray
from htsat.web.app import create_app
from htsat.web.settings import ServiceSettings

__all__ = ["command", "look_and_listen", "put_labels", "read_only", "together", "upload"]

_NEW_MOUNTS, _READ_ONLY, _REMOUNT, _BIND, _PRIVATE = 0x20000, 0x1, 0x20, 0x1000, 0x44000
NOT_ALLOWED = 77

RATE = 800


def command(*arguments: str) -> int:
    """A command line."""
    return main(list(arguments))


def read_only(folder: str, work: str, *arguments: str) -> int:
    """Some other work where a folder cannot be written to: root may write everywhere else."""
    library = ctypes.CDLL(None)
    path = os.fsencode(folder)
    steps = [
        lambda: library.unshare(_NEW_MOUNTS),
        lambda: library.mount(b"none", b"/", None, _PRIVATE, None),
        lambda: library.mount(path, path, None, _BIND, None),
        lambda: library.mount(b"none", path, None, _REMOUNT | _BIND | _READ_ONLY, None),
    ]
    if any(step() for step in steps):
        return NOT_ALLOWED
    return int(globals()[work](*arguments))


def together(work: str, *arguments: str) -> int:
    """The same work in two processes at once, or two where `AND` parts them; tells both exit codes."""
    between = arguments.index("AND") if "AND" in arguments else None
    both = (arguments, arguments) if between is None else (arguments[:between], arguments[between + 1 :])
    children = []
    for own in both:
        child = os.fork()
        if not child:
            os._exit(globals()[work](*own))
        children.append(child)
    print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
    return 0


class Loudness:
    """Clips of 1 s at 800 Hz in four frames; its one class is loud sound."""

    description = ModelDescription(
        name="loudness",
        labels=LabelSet.of(["loud"]),
        task="multi_label",
        rules=EventRules.usual((0.5,)),
        sample_rate=RATE,
        clip_samples=RATE,
        n_frames=4,
        n_coarse_frames=4,
        embedding_dim=1,
    )

    def frame_scores(self, clips: FloatArray) -> EngineOutput:
        level = np.log(np.abs(clips.reshape(len(clips), 4, -1)).mean(axis=-1) + 1e-3) + 2.5
        logits = level[..., None].astype(np.float32)
        return EngineOutput(logits, logits, logits.mean(axis=1), logits)


def put_labels(folder: str, workspace: str, *reviewed_and_times: str) -> int:
    """Save labels of the first recording of a folder, once for each `yes:ONSET:OFFSET` or `no:...`."""
    with _page(folder, workspace) as client:
        recording = min(record["id"] for record in client.get("/page/recordings").json())
        for words in reviewed_and_times:
            reviewed, onset_s, offset_s = words.split(":")
            event = {"label": "loud", "onset": float(onset_s), "offset": float(offset_s)}
            document = {"reviewed": reviewed == "yes", "events": [event]}
            answer = client.put(f"/page/recordings/{recording}/labels", json=document)
            if answer.status_code != 200:
                print(answer.status_code, answer.text)
                return 1
    return 0


def upload(source: str, workspace: str) -> int:
    """Upload a file unless the page has it, and wait until it was heard; 1 if the page cannot even start."""
    try:
        return _uploaded(source, workspace)
    except OSError as error:
        print(error)
        return 1


def _uploaded(source: str, workspace: str) -> int:
    with _page(None, workspace) as client:
        if not client.get("/page/recordings").json():
            content = Path(source).read_bytes()
            answer = client.post("/page/recordings", params={"name": "a.wav"}, content=content)
            if answer.status_code != 201:
                print(answer.status_code, answer.text)
                return 1
        return _wait(client)


def look_and_listen(folder: str, workspace: str) -> int:
    """Open the first recording of a folder on the page, and wait until it was heard."""
    with _page(folder, workspace) as client:
        return _wait(client)


def _wait(client) -> int:  # type: ignore[no-untyped-def]
    recording = min(record["id"] for record in client.get("/page/recordings").json())
    while True:
        record = client.get(f"/page/recordings/{recording}").json()
        if record["state"] in ("done", "failed"):
            print(record["state"], record["error"])
            return 0 if record["state"] == "done" else 1
        time.sleep(0.005)


def _page(folder: str | None, workspace: str):  # type: ignore[no-untyped-def]
    from starlette.testclient import TestClient

    given = () if folder is None else (Path(folder),)
    settings = ServiceSettings(workspace=Path(workspace), recordings=given)
    app = create_app(Recognizer(Loudness(), batch_size=4), settings)
    return TestClient(app, base_url="http://127.0.0.1:8000")
