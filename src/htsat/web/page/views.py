"""What the page shows of a recording: sound, waveform, spectrogram, curves, tags and events."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import htsat
from htsat.errors import did_you_mean
from htsat.rules import EventRules
from htsat.scores import SoundEvent
from htsat.web.answers import model_document
from htsat.web.page.boxes import BoxShelf
from htsat.web.page.events import curves_between, find_events
from htsat.web.page.frames import StoredFrames
from htsat.web.page.overview import COPY
from htsat.web.page.problems import NotFoundError, NotPlayableError
from htsat.web.page.ranges import file_response
from htsat.web.page.recording import Recording
from htsat.web.page.sound import WAV, media_type, wav_of
from htsat.web.page.workspace import Workspace
from htsat.web.parameters import RULES, Query, chosen_rules
from htsat.web.problems import BadRequestError

STRETCH = ("start", "end")
RULE_NAMES = ("threshold", "classes", *RULES)

_MOST_SOUND_S = 600.0
"""Longest stretch of sound that is made as one file."""
_MOST_POINTS, _MOST_COLUMNS, _MOST_ROWS, _MOST_CURVES = 20_000, 8_192, 1_024, 100


class Stretch(NamedTuple):
    """A part of a recording in seconds."""

    start_s: float
    stop_s: float


class Views:
    """Answers that change nothing."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._shelf = BoxShelf()

    def model(self, _: Request) -> Response:
        """What the model is."""
        return JSONResponse(model_document(self._workspace.model, htsat.__version__))

    def audio(self, request: Request) -> Response:
        """The sound as browsers play it, or a stretch of it as WAV."""
        recording = self._recording(request)
        query = Query(request.query_params, STRETCH)
        return _stretch_of_sound(recording, query) if request.query_params else _sound(request, recording)

    def waveform(self, request: Request) -> Response:
        """The extremes of the samples in equal parts of a stretch."""
        recording = self._recording(request)
        query = Query(request.query_params, (*STRETCH, "points"))
        start_s, stop_s = stretch_of(query, recording)
        n_points = _at_most(query, "points", 1000, _MOST_POINTS)
        least, greatest = recording.overview().waveform(start_s, stop_s, n_points)
        # Four digits are finer than any screen, and half as long as what a float32 has.
        return JSONResponse(
            {
                "start": start_s,
                "end": stop_s,
                "min": [round(value, 4) for value in least.tolist()],
                "max": [round(value, 4) for value in greatest.tolist()],
            }
        )

    def spectrogram(self, request: Request) -> Response:
        """The loudness of a stretch by frequency and time, a byte each."""
        recording = self._recording(request)
        query = Query(request.query_params, (*STRETCH, "width", "height"))
        start_s, stop_s = stretch_of(query, recording)
        width, height = (
            _at_most(query, "width", 1000, _MOST_COLUMNS),
            _at_most(query, "height", 96, _MOST_ROWS),
        )
        picture = recording.overview().spectrogram(start_s, stop_s, (height, width))
        headers = {
            "x-start": repr(start_s),
            "x-end": repr(stop_s),
            "x-low-hz": "0",
            "x-high-hz": f"{self._workspace.model.sample_rate / 2:g}",
        }
        return Response(picture.tobytes(), headers=headers, media_type="application/octet-stream")

    def scores(self, request: Request) -> Response:
        """The largest probabilities of some classes in equal parts of a stretch."""
        recording = self._recording(request)
        query = Query(request.query_params, (*STRETCH, "classes", "points"))
        start_s, stop_s = stretch_of(query, recording)
        n_points = _at_most(query, "points", 1000, _MOST_POINTS)
        names = list(dict.fromkeys(query.texts("classes")))
        classes = [self._class_index(name) for name in names]
        if not 1 <= len(classes) <= _MOST_CURVES:
            raise BadRequestError(f"classes: expected 1 to {_MOST_CURVES} classes, got {len(classes)}")
        frames = recording.frames()
        times: list[float] = []
        values: list[list[float]] = [[] for _ in names]
        if frames is not None:
            curves = curves_between(frames, classes, Stretch(start_s, stop_s), n_points)
            times, values = curves.times_s.tolist(), curves.values.T.tolist()
        scores = {name: [round(value, 6) for value in row] for name, row in zip(names, values, strict=True)}
        return JSONResponse({"start": start_s, "end": stop_s, "times": times, "scores": scores})

    def tags(self, request: Request) -> Response:
        """The most probable classes of what is heard so far."""
        recording = self._recording(request)
        top = Query(request.query_params, ("top",)).count("top", 10)
        frames = recording.frames()
        if frames is None or not frames.summary.n_frames:
            return JSONResponse([])
        return JSONResponse([tag._asdict() for tag in frames.clip_scores().tags(top)])

    def events(self, request: Request) -> Response:
        """The events of what is heard so far, by the model's rules or others."""
        recording = self._recording(request)
        rules = chosen_rules(Query(request.query_params, RULE_NAMES), self._workspace.model)
        events = self._found(recording.frames(), rules)
        documents = [
            {
                "label": event.label,
                "onset": event.onset_s,
                "offset": event.offset_s,
                "probability": event.probability,
            }
            for event in events
        ]
        return JSONResponse({"events": documents, "n_classes_heard": len({event.label for event in events})})

    def _found(self, frames: StoredFrames | None, rules: EventRules) -> list[SoundEvent]:
        if frames is None:
            return []
        return find_events(frames, rules) if rules.boxes is None else self._shelf.find(frames, rules)

    def _recording(self, request: Request) -> Recording:
        return self._workspace[request.path_params["id"]]

    def _class_index(self, name: str) -> int:
        labels = self._workspace.model.labels
        if name not in labels:
            raise BadRequestError(f"classes: the model has no class {name!r}{did_you_mean(name, labels)}")
        return labels.index(name)


def stretch_of(query: Query, recording: Recording) -> Stretch:
    """The stretch that a query is about, without what lies behind the end of the recording."""
    start_s, stop_s = query.seconds("start") or 0.0, query.seconds("end")
    progress = recording.progress
    duration_s = progress.duration_s or progress.heard_s
    if stop_s is None or (duration_s and stop_s > duration_s):
        stop_s = duration_s
    if not start_s < stop_s:
        raise BadRequestError(f"expected a start before the end, got {start_s:g} and {stop_s:g}")
    return Stretch(start_s, stop_s)


def _at_most(query: Query, name: str, default: int, most: int) -> int:
    value = query.count(name, default)
    if value > most:
        raise BadRequestError(f"{name}: expected at most {most}, got {value}")
    return value


def _sound(request: Request, recording: Recording) -> Response:
    path = recording.place.path
    try:
        kind = media_type(path)
        if kind is not None:
            return file_response(request, path, kind)
        copy = recording.folder / COPY
        if copy.is_file():
            return file_response(request, copy, WAV)
    except OSError as error:
        raise NotFoundError(f"{recording.place.name}: is not there any more") from error
    raise NotPlayableError(f"{recording.place.name}: cannot be played by browsers, or not yet")


def _stretch_of_sound(recording: Recording, query: Query) -> Response:
    start_s, stop_s = stretch_of(query, recording)
    if stop_s - start_s > _MOST_SOUND_S:
        raise BadRequestError(f"expected at most {_MOST_SOUND_S:g} s of sound, got {stop_s - start_s:g} s")
    overview = recording.overview()
    rate = overview.sample_rate
    samples = overview.samples(round(start_s * rate), max(round(stop_s * rate), round(start_s * rate) + 1))
    return Response(wav_of(samples, rate), media_type=WAV)
