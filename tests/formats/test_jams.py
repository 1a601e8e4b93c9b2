"""JAMS is read back, and checked against its schema, by the package `jams`, which knows nothing of ours."""

from __future__ import annotations

import json
from pathlib import Path, PurePath

import jams as reference
import pytest

from htsat.errors import DataError
from htsat.formats import DetectedRecording, jams
from htsat.formats.output import to_file
from htsat.scores import SoundEvent

# The package calls another one in a way that is going to be dropped.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

EVENTS = [
    SoundEvent("Dog", 0.25, 2.5, 0.75),
    SoundEvent('Speech "close"\n\u2028', 1.1, 4.2, 0.000125),
    SoundEvent("Dog", 2.5, 3.5, 1.0),
]


def written(path: Path, events: list[SoundEvent]) -> Path:
    with to_file(path, jams.EVENTS) as write:
        write(PurePath("a"), DetectedRecording("x/a.wav", 10.0, events))
    return path


def test_events_come_back_with_the_duration(tmp_path: Path) -> None:
    stripped = [event._replace(label=event.label.strip()) for event in EVENTS]
    recording = jams.read_recording(written(tmp_path / "a.jams", EVENTS[::-1]))
    assert recording == ("", 10.0, stripped, None)
    assert jams.read_recording(written(tmp_path / "a.jams", [])) == ("", 10.0, [], None)


def test_another_library_accepts_and_finds_the_events(tmp_path: Path) -> None:
    document = reference.load(str(written(tmp_path / "a.jams", EVENTS)), validate=True, strict=True)
    (annotation,) = document.annotations
    assert annotation.namespace == "tag_open"
    assert (document.file_metadata.title, document.file_metadata.duration) == ("x/a.wav", 10)
    assert [(told.value, told.time, told.confidence) for told in annotation] == [
        (event.label, event.onset_s, event.probability) for event in EVENTS
    ]
    assert [told.duration for told in annotation] == pytest.approx([2.25, 3.1, 1.0])


def test_what_another_library_writes_is_read(tmp_path: Path) -> None:
    document = reference.JAMS()
    document.file_metadata.duration = 5
    tags = reference.Annotation(namespace="segment_open")
    tags.append(time=0.5, duration=1.0, value="Dog", confidence=None)
    scaper = reference.Annotation(namespace="scaper")
    scaper.append(time=0.25, duration=1.0, value={"label": "Cat", "role": "foreground"}, confidence=0.5)
    beats = reference.Annotation(namespace="beat")
    beats.append(time=0.5, duration=0.0, value=1, confidence=None)
    document.annotations.extend([tags, beats, scaper])
    document.save(str(tmp_path / "b.jams"))
    expected = [SoundEvent("Cat", 0.25, 1.25, 0.5), SoundEvent("Dog", 0.5, 1.5, 1.0)]
    assert jams.read_recording(tmp_path / "b.jams") == ("", 5.0, expected, None)


def document(**changes: object) -> dict[str, object]:
    observation = {"time": 1, "duration": 2, "value": "Dog", "confidence": 0.5} | changes
    return {"annotations": [{"namespace": "tag_open", "data": [observation]}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"annotations": [\n}', ", line 2: is not JAMS: Expecting value"),
        ('{"annotations": 3}', ": is not JAMS: 'int' object is not iterable"),
        ('{"annotations": [{"data": []}]}', ": is not JAMS: no field 'namespace'"),
        ('{"annotations": [], "file_metadata": 3}', ": is not JAMS: 'int' object has no attribute"),
        (
            '{"annotations": [{"namespace": "beat", "data": []}]}',
            ": expected annotations in tag_open, found beat",
        ),
        ('{"annotations": [{"namespace": "tag_open"}]}', ", annotation 1: is not JAMS: no field 'data'"),
        (document(time="x"), ", annotation 1, observation 1: is not JAMS: could not convert string to float"),
        (document(time=-1), ", annotation 1, observation 1: expected 0 <= onset"),
        (document(duration=float("nan")), ", annotation 1, observation 1: expected 0 <= onset"),
        (document(confidence=7), ", annotation 1, observation 1: expected a probability from 0 to 1, got 7"),
        (document(value={"role": "x"}), ", annotation 1, observation 1: is not JAMS: no field 'label'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, content: object, message: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "a.jams").write_text(text)
    with pytest.raises(DataError, match=rf"a\.jams{message}"):
        jams.read_recording(tmp_path / "a.jams")
