import pytest

from htsat.cli.progress import describe_event, duration, fixed

STEP = {
    "event": "step",
    "step": 120,
    "epoch": 3.25,
    "loss": 2.345,
    "learning_rate": 0.0012,
    "clips_per_s": 24.0,
    "time_left_s": 4320,
}
EVALUATION = {
    "event": "evaluation",
    "step": 120,
    "epoch": 3.25,
    "task": "multi_class",
    "loss": 1.2345,
    "accuracy": 0.812,
    "mean_average_precision": 0.87,
}


def test_a_step_is_one_line():
    line = "epoch   3.25/60  step    120  loss  2.3450  rate 1.20e-03      24 clips/s  1 h 12 min left"
    assert describe_event(STEP, 60) == line


def test_lines_of_steps_stand_in_columns():
    later = STEP | {
        "step": 99_999,
        "epoch": 59.75,
        "loss": 0.0123,
        "learning_rate": 1e-05,
        "clips_per_s": 1043.2,
    }
    first, second = (describe_event(event, 60) for event in (STEP, later))
    for word in ("step", "loss", "rate", "clips/s"):
        assert first.index(word) == second.index(word)


def test_an_evaluation_shows_its_figures():
    assert describe_event(EVALUATION, 60) == "-> held out: accuracy 0.8120  mAP 0.8700  loss 1.2345"
    multi_label = EVALUATION | {"task": "multi_label"}
    assert describe_event(multi_label, 60) == "-> held out: mAP 0.8700  loss 1.2345"


def test_recordings_that_were_left_out_get_a_line_each():
    data = {
        "event": "data",
        "n_train_clips": 9,
        "n_valid_clips": 2,
        "broken": ["a.wav: gone", "b.wav: empty"],
        "notes": ["1 recording has no labels"],
    }
    assert describe_event(data, 60).splitlines() == [
        "left out: a.wav: gone",
        "left out: b.wav: empty",
        "1 recording has no labels",
        "9 clips to learn from, 2 held out",
    ]
    assert (
        describe_event({"event": "broken", "step": 3, "broken": ["a.wav: gone"]}, 60)
        == "left out: a.wav: gone"
    )


def test_other_events_are_shown_as_they_are():
    assert describe_event({"event": "resumed", "epoch": 12.333333}, 60) == "goes on at epoch 12.33 of 60"
    assert describe_event({"event": "finished before", "epochs": 60}, 60) == "finished before  epochs 60"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.7, "1 h 00 min"),
        (4320, "1 h 12 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_lengths_of_time(seconds, text):
    assert duration(seconds) == text


def test_a_figure_that_does_not_exist_is_a_dash():
    assert describe_event(EVALUATION | {"mean_average_precision": None}, 60) == (
        "-> held out: accuracy 0.8120  mAP -  loss 1.2345"
    )
    assert [fixed(value, 2, 5) for value in (1.5, None, float("nan"), float("inf"))] == [
        " 1.50",
        "    -",
        "    -",
        "  inf",
    ]


def test_a_fault_is_left_to_the_error_that_ends_the_run():
    assert describe_event({"event": "fault", "step": 3, "what": "loss nan", "clips": ["a.wav"]}, 60) == ""
