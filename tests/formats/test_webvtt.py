"""WebVTT is read back by the package `webvtt-py`, which knows nothing of ours."""

from __future__ import annotations

import html
from pathlib import Path, PurePath

import pytest
import webvtt as reference

from htsat.errors import DataError
from htsat.formats import DetectedRecording, webvtt
from htsat.formats.output import to_file
from htsat.scores import SoundEvent

EVENTS = [
    SoundEvent("Dog", 0.25, 2.5, 1.0),
    SoundEvent("R&B <live> --> loud", 1.0, 4.125, 1.0),
    SoundEvent("Dog", 3600.001, 86399.9996, 1.0),
]
READ = [*EVENTS[:2], EVENTS[2]._replace(offset_s=86400.0)]


def written(path: Path, events: list[SoundEvent]) -> Path:
    with to_file(path, webvtt.EVENTS) as write:
        write(PurePath("a"), DetectedRecording("a.wav", 90_000.0, events))
    return path


def test_events_come_back_to_the_millisecond(tmp_path: Path) -> None:
    assert webvtt.read_events(written(tmp_path / "a.vtt", EVENTS[::-1])) == READ
    assert webvtt.read_events(written(tmp_path / "a.vtt", [])) == []


def test_another_library_finds_the_events(tmp_path: Path) -> None:
    captions = reference.read(written(tmp_path / "a.vtt", EVENTS))
    assert [(caption.start, caption.end) for caption in captions] == [
        ("00:00:00.250", "00:00:02.500"),
        ("00:00:01.000", "00:00:04.125"),
        ("01:00:00.001", "24:00:00.000"),
    ]
    assert [html.unescape(caption.text) for caption in captions] == [event.label for event in EVENTS]


def test_names_notes_styles_and_markup_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text(
        "WEBVTT - sounds\nKind: captions\n\nNOTE\nheard by ear\n\nSTYLE\n::cue { color: red }\n\n"
        "first\n00:01.500 --> 00:02.000 align:start\n<v Anna>Dog</v>\nfar  away\n\n"
        "00:00:03.000 --> 00:00:04.000\nCat\n"
    )
    expected = [SoundEvent("Dog far  away", 1.5, 2.0, 1.0), SoundEvent("Cat", 3.0, 4.0, 1.0)]
    assert webvtt.read_events(tmp_path / "a.vtt") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n00:00:01,000 --> 00:00:02,000\nDog\n", r"a\.vtt: is not WebVTT: does not begin with WEBVTT"),
        ("WEBVTT\n\n00:01.5 --> 00:02.000\nDog\n", "line 3: expected times as 00:01:02.345 .* got '00:01.5'"),
        ("WEBVTT\n\nx\n00:01.500 -->\nDog\n", "line 4: expected times as .* got ''"),
        ("WEBVTT\n\n00:03.000 --> 00:02.000\nDog\n", "line 3: expected 0 <= onset <= offset .* got 3, 2"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\n\n", "line 3: expected .* a label, got 1, 2 and ''"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.vtt").write_text(text)
    with pytest.raises(DataError, match=message):
        webvtt.read_events(tmp_path / "a.vtt")
