from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from htsat.labels import LabelSet
from htsat.pictures.lanes import ClipEvents, Loudness, Span, frequencies_hz
from htsat.pictures.recording import Heard, draw_recording
from htsat.pictures.rows import Rows, clock, exact_clock, step_of
from htsat.pictures.score_curves import RunningCurves, ScoreCurves, curves_of
from htsat.pictures.spectrogram import Spectrogram
from htsat.scores import FrameGrid, FrameScores, SoundEvent

LABELS = LabelSet(("rain", "dog", "wind"))


def heard_in(duration_s, events, start_s=0.0, truth=None):
    n_columns = 600
    decibels = np.random.default_rng(0).uniform(-60, 0, (80, n_columns)).astype(np.float32)
    sound = Spectrogram(decibels, duration_s / n_columns, duration_s, 11025.0)
    grid = FrameGrid(start_s + np.linspace(0, duration_s, 101))
    curves = ScoreCurves(np.full((100, 3), 0.3, np.float32), grid, LABELS)
    return Heard(sound, curves, ClipEvents(truth, events), (0.5, 0.5, 0.5), start_s)


def drawn(tmp_path, heard, **settings):
    path = tmp_path / "picture.svg"
    rows = draw_recording(path, "odd $ name.wav", heard, **settings)
    return path.read_text(encoding="utf-8"), rows


@pytest.mark.parametrize(
    ("duration_s", "row_s", "n_rows"),
    [(0.02, 0.02, 1), (120, 120, 1), (121, 30, 5), (3600, 300, 12), (3601, 600, 7), (86400, 7200, 12)],
)
def test_rows_have_round_lengths_and_are_few(duration_s, row_s, n_rows):
    assert Rows.of(duration_s) == (row_s, n_rows)


@pytest.mark.parametrize("duration_s", [0.02, 1, 130, 5000, 90_000, 10**6])
def test_rows_hold_the_whole_recording(duration_s):
    rows = Rows.of(duration_s)
    assert rows.n_rows <= 12
    assert (rows.n_rows - 1) * rows.row_s < duration_s <= rows.n_rows * rows.row_s
    assert 1 <= rows.row_s / step_of(rows.row_s) <= 12 or rows.row_s < 0.1


@pytest.mark.parametrize(
    ("time_s", "short", "exact"),
    [
        (0, "0:00", "0:00.0"),
        (59.96, "1:00", "1:00.0"),
        (83.25, "1:23.2", "1:23.2"),
        (3723, "1:02:03", "1:02:03.0"),
    ],
)
def test_times_are_written_as_on_a_clock(time_s, short, exact):
    assert (clock(time_s), exact_clock(time_s)) == (short, exact)


def test_a_short_recording_is_one_row_with_scores(tmp_path):
    text, rows = drawn(tmp_path, heard_in(8.0, [SoundEvent("dog", 1, 4, 0.9)]))
    for shown in (
        "odd $ name.wav",
        ">dog<",
        ">0.90<",
        ">probability<",
        ">threshold<",
        ">seconds<",
        ">4 kHz<",
    ):
        assert shown in text
    assert ">wind<" not in text
    [row] = rows
    assert row.span == Span(0, 8.0)
    assert 0 < row.left < row.right <= 1
    assert 0 < row.top < row.bottom < 1


def test_a_long_recording_is_rows_with_the_classes_of_each(tmp_path):
    events = [
        SoundEvent("dog", 10, 20, 0.9),
        SoundEvent("wind", 290, 700, 0.8),
        SoundEvent("dog", 650, 660, 0.7),
    ]
    text, rows = drawn(tmp_path, heard_in(900.0, events))
    assert [row.span.start_s for row in rows] == [0, 120, 240, 360, 480, 600, 720, 840]
    assert [row.top < row.bottom for row in rows] == [True] * 8
    assert all(first.bottom < second.top for first, second in pairwise(rows))
    assert (text.count(">dog<"), text.count(">wind<")) == (2, 4)
    assert "8 rows of 2:00" in text
    assert ">10:00<" in text
    assert ">probability<" not in text


def test_scores_can_be_asked_for_in_rows_and_left_out_of_one(tmp_path):
    events = [SoundEvent("dog", 10, 20, 0.9)]
    assert ">probability<" in drawn(tmp_path, heard_in(150.0, events), shows_scores=True)[0]
    assert ">probability<" not in drawn(tmp_path, heard_in(50.0, events), shows_scores=False)[0]


def test_a_part_has_the_times_of_the_recording(tmp_path):
    text, rows = drawn(tmp_path, heard_in(10.0, [SoundEvent("dog", 3603, 3604, 0.9)], start_s=3600.0))
    assert rows[0].span == Span(3600, 3610)
    assert ">1:00:05<" in text


def test_truth_of_a_class_that_the_model_does_not_know_is_drawn_without_scores(tmp_path):
    text, _ = drawn(tmp_path, heard_in(8.0, [], truth=[SoundEvent("owl", 1, 2, 1)]))
    assert ">owl<" in text
    assert "nothing" not in text


def test_a_day_is_a_picture_of_bounded_size(tmp_path):
    events = [SoundEvent("dog", start, start + 5, 0.9) for start in range(0, 86_000, 400)]
    draw_recording(tmp_path / "day.png", "day", heard_in(86_400.0, events))
    with Image.open(tmp_path / "day.png") as image:
        assert image.width == 2400
        assert image.height < 5000


def test_frequencies_have_room():
    assert frequencies_hz(16_000, 0.1)[0] == 8000
    assert len(frequencies_hz(16_000, 0.2)) < len(frequencies_hz(16_000, 0.05))
    assert frequencies_hz(192_000, 0.1)[0] == 128_000
    assert frequencies_hz(50, 0.1) == []


def test_noise_that_is_always_there_is_dark_and_silence_can_be_drawn():
    decibels = np.full((80, 100), -50.0, np.float32)
    decibels[:, 50] = 0
    sound = Spectrogram(decibels, 0.01, 1.0, 4000.0)
    assert Loudness.of(sound) == (-50.0, 0.0)
    assert Loudness.of(sound._replace(decibels=np.full((80, 100), -200.0))) == (-180.0, -100.0)


def scores_of(logits, frame_s=0.5, first_s=0.0):
    grid = FrameGrid(first_s + frame_s * np.arange(len(logits) + 1))
    return FrameScores(logits, logits, grid, LABELS, "multi_label")


def test_curves_are_the_largest_probabilities_however_the_frames_arrive():
    logits = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    running = RunningCurves(LABELS, 0.5, max_stretches=10)
    for first in range(0, 50, 7):
        running.push(scores_of(logits[first : first + 7], first_s=first / 2))
    curves = running.finish()
    whole = curves_of(scores_of(logits))
    np.testing.assert_array_equal(whole.probabilities, scores_of(logits).probabilities)
    np.testing.assert_array_equal(curves.probabilities[0], whole.probabilities[:4].max(axis=0))
    np.testing.assert_array_equal(curves.grid.boundaries_s, [*range(0, 25, 2), 25])
    curve, times_s = curves.shifted(100).between(104.5, 107.5, "dog")
    np.testing.assert_array_equal(times_s, [104, 106, 108])
    np.testing.assert_array_equal(curve, curves.probabilities[2:4, 1])


def test_noise_alone_is_not_bright():
    noise = np.random.default_rng(0).uniform(-60, -50, (80, 100))
    darkest, brightest = Loudness.of(Spectrogram(noise, 0.01, 1.0, 4000.0))
    assert darkest == pytest.approx(-58.5, abs=0.2)
    assert brightest == pytest.approx(-20, abs=0.2)
