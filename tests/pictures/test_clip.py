from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from htsat.labels import LabelSet
from htsat.pictures import lanes
from htsat.pictures.clip import draw_clip
from htsat.pictures.lanes import ClipEvents, classes_of, longest, meets
from htsat.pictures.spectrogram import log_mel
from htsat.scores import FrameGrid, FrameScores, SoundEvent

SOUND = log_mel(np.random.default_rng(0).standard_normal(8000 * 4).astype(np.float32), 8000)


def scores_of(labels, n_frames=13, frame_s=0.3125):
    logits = np.zeros((n_frames, len(labels)), np.float32)
    grid = FrameGrid.regular(n_frames, frame_s, duration_s=4.0)
    return FrameScores(logits, logits, grid, LabelSet(tuple(labels)), "multi_label")


def drawn(tmp_path, events, labels=("rain", "dog", "wind"), title="clip.wav", sound=SOUND):
    path = tmp_path / "odd $ name.svg"
    draw_clip(path, title, sound, scores_of(labels), events, (0.5,) * len(labels))
    return path.read_text(encoding="utf-8")


def test_a_lane_for_each_class_that_is_true_or_heard(tmp_path):
    events = ClipEvents([SoundEvent("dog", 1, 2, 1)], [SoundEvent("rain", 0.5, 3.5, 0.87)])
    text = drawn(tmp_path, events)
    for shown in (
        "dog",
        "rain",
        "0.87",
        "clip.wav",
        "true, not heard",
        "heard, not true",
        "2 kHz",
        "seconds",
    ):
        assert shown in text
    assert "wind" not in text
    assert text.index(">rain<") < text.index(">dog<")


def test_truth_that_nobody_knows_has_no_colours(tmp_path):
    text = drawn(tmp_path, ClipEvents(None, [SoundEvent("rain", 0.5, 3.5, 0.87)]))
    assert ">heard<" in text
    assert ">true<" not in text


@pytest.mark.parametrize(
    ("truth", "heard", "wrong", "missed"),
    [
        ((0.5, 1.5), (1.0, 2.0), False, False),
        ((0.5, 1.5), (1.5, 2.0), True, True),
    ],
)
def test_colours_say_what_is_wrong_and_what_is_missed(tmp_path, truth, heard, wrong, missed):
    drawn_events = ClipEvents([SoundEvent("dog", *truth, 1)], [SoundEvent("dog", *heard, 0.9)])
    text = drawn(tmp_path, drawn_events).lower()
    legend_only = 1
    assert (text.count("fill: #e8590c") > legend_only) == wrong
    assert (text.count("fill: #2b8a3e") > legend_only) != missed


def test_an_event_meets_those_of_its_class_that_sound_at_the_same_time():
    event = SoundEvent("dog", 1, 2, 1)
    assert meets(event, [SoundEvent("dog", 1.9, 3, 1)])
    assert meets(event, [SoundEvent("dog", 0, 9, 1)])
    assert not meets(event, [SoundEvent("dog", 2, 3, 1), SoundEvent("cat", 1, 2, 1)])
    assert not meets(event, [])


def test_classes_stand_in_the_order_in_which_they_begin():
    events = ClipEvents(
        [SoundEvent("c", 2, 3, 1), SoundEvent("a", 4, 5, 1)],
        [SoundEvent("b", 1, 2, 0.5), SoundEvent("c", 3, 4, 0.5)],
    )
    assert classes_of(events) == ["b", "c", "a"]


def test_of_many_classes_those_that_sound_longest_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(lanes, "_MAX_LANES", 2)
    truth = [SoundEvent("rain", 0, 1, 1), SoundEvent("dog", 1, 1.2, 1), SoundEvent("wind", 2, 3, 1)]
    events = ClipEvents(truth, [SoundEvent("dog", 1, 1.3, 0.9)])
    assert longest(events, ["rain", "dog", "wind"]) == ["rain", "wind"]
    text = drawn(tmp_path, events)
    assert "the 2 of 3 classes that sound longest" in text
    assert ">wind<" in text
    assert ">dog<" not in text


def test_where_nothing_is_there_is_the_spectrogram(tmp_path):
    text = drawn(tmp_path, ClipEvents([], []))
    assert "nothing is heard, and nothing known to be true" in text
    assert "seconds" in text


def test_silence_can_be_drawn(tmp_path):
    silence = log_mel(np.zeros(8000, np.float32), 8000)
    path = tmp_path / "silence.png"
    draw_clip(path, "silence", silence, scores_of(["a"]), ClipEvents(None, []), (0.5,))
    with Image.open(path) as image:
        middle = np.asarray(image.convert("L"))[image.height // 2, image.width // 2]
    assert middle < 30


def test_pictures_of_long_recordings_are_wider(tmp_path):
    widths = []
    for duration_s in (4, 3000):
        sound = SOUND._replace(duration_s=duration_s, column_s=duration_s / SOUND.decibels.shape[1])
        draw_clip(tmp_path / "a.png", "", sound, scores_of(["a"]), ClipEvents(None, []), (0.5,))
        with Image.open(tmp_path / "a.png") as image:
            widths.append(image.width)
    assert widths == [1350, 2400]
