"""How much a live detector loses by not waiting: F1 of frames at a threshold of 0.5, against the true events.

    python benchmarks/live_margin.py

hears `examples/scene.ogg` with the packaged model at several margins, and beginnings of streams in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import htsat
from htsat.audio import load_audio
from htsat.formats import dcase
from htsat.recognition.live import LiveDetector
from htsat.recognition.recognizer import Recognizer
from htsat.scores import FloatArray, FrameScores, SoundEvent

EXAMPLES = Path(__file__).parents[1] / "examples"
MARGINS_S = (0.0, 0.625, 1.25, 1.875, 2.5)
HOP_S = 0.3125
FROM_S = 5.0
"""Where the first whole clip ends; and how much of each beginning counts."""


def active(scores: Iterable[FrameScores]) -> NDArray[np.bool_]:
    """`(T, K)`."""
    return np.concatenate([piece.probabilities > 0.5 for piece in scores])


def truth(events: Iterable[SoundEvent], scores: FrameScores) -> NDArray[np.bool_]:
    """Where the middle of a frame lies in an event, `(T, K)`."""
    middles_s = scores.grid.boundaries_s[:-1] + scores.grid.durations_s / 2
    is_there = np.zeros(scores.logits.shape, bool)
    for event in events:
        inside = (middles_s >= event.onset_s) & (middles_s < event.offset_s)
        is_there[inside, scores.labels.index(event.label)] = True
    return is_there


def f1(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    return float(2 * (found & true).sum() / (found.sum() + true.sum()))


def beginnings(detector: LiveDetector | Recognizer, waveform: FloatArray, n_frames: int) -> NDArray[np.bool_]:
    """The first clip of streams that begin every 3.125 s and go on for two clips, `(n, K)`."""
    starts = range(0, len(waveform) - 320_000, 100_000)
    streams = ([waveform[start : start + 320_000]] for start in starts)
    score = detector.scores if isinstance(detector, LiveDetector) else detector.score_blocks
    return np.concatenate([active(score(stream))[:n_frames] for stream in streams])


def main() -> None:
    model = htsat.load()
    waveform = load_audio(EXAMPLES / "scene.ogg", model.description.sample_rate)
    whole = model.scores(waveform, model.description.sample_rate)
    true = truth(dcase.read_events(EXAMPLES / "scene.tsv")["scene.ogg"], whole)
    later = slice(whole.grid.frame_at(FROM_S), None)
    n_frames = later.start
    starts = range(0, len(true) - 2 * n_frames, 10)
    true_beginnings = np.concatenate([true[start : start + n_frames] for start in starts])

    print(f"detect: {f1(active([whole])[later], true[later]):.2f}")
    print(f"  beginnings: {f1(beginnings(model, waveform, n_frames), true_beginnings):.2f}")
    for margin_s in MARGINS_S:
        detector = model.live(hop_s=HOP_S, margin_s=margin_s)
        print(f"margin {margin_s:g} s: {f1(active(detector.scores([waveform]))[later], true[later]):.2f}")
    for short in ("repeat", "pad"):
        detector = LiveDetector(model.engine, hop_s=HOP_S, short=short)
        print(f"  beginnings, {short}: {f1(beginnings(detector, waveform, n_frames), true_beginnings):.2f}")


if __name__ == "__main__":
    main()
