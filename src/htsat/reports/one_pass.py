"""A recording heard for its picture: decoded once and heard once, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from htsat.audio.blocks import mono_blocks
from htsat.pictures.lanes import ClipEvents
from htsat.pictures.recording import Heard
from htsat.pictures.running_spectrogram import RunningSpectrogram
from htsat.pictures.score_curves import RunningCurves, curves_of
from htsat.pictures.spectrogram import Spectrogram
from htsat.recognition.hearing import hearing_of
from htsat.recognition.recognizer import Recognizer
from htsat.reports.parts import WHOLE, Part, open_part
from htsat.rules import EventRules
from htsat.scores import FrameScores, SoundEvent

T = TypeVar("T")


def hear(model: Recognizer, path: Path, rules: EventRules, part: Part) -> Heard:
    """Spectrogram, score curves and events of a part of a recording, in one pass.

    Outside the part nothing is heard.

    Raises:
        HtsatError: when the recording cannot be read or ends before the part, or the rules do not fit.
    """
    description = model.description
    with open_part(path, part) as audio:
        sound = RunningSpectrogram(audio.sample_rate)
        curves = RunningCurves(description.labels, description.frame_s)
        seen = _seen(audio.blocks, sound.push)
        scores = model.score_blocks(mono_blocks(seen, audio.sample_rate, description.sample_rate))
        hearing = hearing_of(_seen(scores, curves.push), rules, description)
    events = ClipEvents(None, [moved(event, part.start_s) for event in hearing.events])
    drawn = curves.finish().shifted(part.start_s)
    return Heard(sound.finish(), drawn, events, rules.thresholds, part.start_s)


def heard_already(path: Path, scores: FrameScores, events: Sequence[SoundEvent], rules: EventRules) -> Heard:
    """The same of a whole recording that has been heard: it is decoded again, and not heard again.

    Raises:
        AudioError: when the recording cannot be read.
    """
    return Heard(spectrogram_of(path, WHOLE), curves_of(scores), ClipEvents(None, events), rules.thresholds)


def spectrogram_of(path: Path, part: Part) -> Spectrogram:
    """The spectrogram of a part of a recording, at the recording's own sample rate.

    Raises:
        AudioError: when the recording cannot be read or ends before the part.
    """
    with open_part(path, part) as audio:
        sound = RunningSpectrogram(audio.sample_rate)
        for block in mono_blocks(audio.blocks, audio.sample_rate, audio.sample_rate):
            sound.push(block)
    return sound.finish()


def moved(event: SoundEvent, by_s: float) -> SoundEvent:
    """The same event, later by so many seconds."""
    return event._replace(onset_s=event.onset_s + by_s, offset_s=event.offset_s + by_s)


def _seen(values: Iterable[T], see: Callable[[T], None]) -> Iterator[T]:
    """The same values, which somebody looks at on their way."""
    for value in values:
        see(value)
        yield value
