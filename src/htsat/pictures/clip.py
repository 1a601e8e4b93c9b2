"""A clip with what is true of it and what is heard: spectrogram, and scores and events in lanes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htsat.pictures.lanes import ClipEvents
from htsat.pictures.recording import Heard, draw_rows
from htsat.pictures.rows import Rows
from htsat.pictures.score_curves import curves_of
from htsat.pictures.spectrogram import Spectrogram
from htsat.scores import FrameScores

__all__ = ["ClipEvents", "draw_clip"]


def draw_clip(
    path: Path,
    title: str,
    sound: Spectrogram,
    scores: FrameScores,
    events: ClipEvents,
    thresholds: Sequence[float],
) -> None:
    """Draw a recording in one row, with a lane for each class that is true or heard in it.

    Detections are orange where nothing of their class is true at any time of them, and truth is hollow where
    nothing of it is heard. Of more than 12 classes those that sound longest are shown. `thresholds` are one
    per class, in the order of the labels.
    """
    heard = Heard(sound, curves_of(scores), events, tuple(thresholds))
    draw_rows(path, title, heard, Rows(sound.duration_s, 1), shows_scores=True)
