import json

import pytest

from htsat.errors import DataError
from htsat.training.history import EvaluationPoint, StepPoint, is_run, read_history

EVENTS = [
    {"event": "data", "n_train_clips": 90, "n_valid_clips": 10, "broken": ["a.wav: is an empty file"]},
    {"event": "step", "step": 3, "epoch": 0.5, "loss": 2.5, "learning_rate": 0.1, "clips_per_s": 20},
    {"event": "broken", "step": 4, "broken": ["b.wav: gone", "c.wav: gone"]},
    {"event": "step", "step": 6, "epoch": 1.0, "loss": 2.0, "learning_rate": 0.1, "clips_per_s": 21.5},
    {"event": "evaluation", "epoch": 0, "loss": 1.5, "accuracy": 0.5, "mean_average_precision": 0.7},
    {"event": "step", "step": 12, "epoch": 2.0, "loss": 1.0, "learning_rate": 0.1, "clips_per_s": 22.0},
    {"event": "evaluation", "epoch": 1, "loss": 1.4, "accuracy": 0.6, "mean_average_precision": 0.6},
]


def write_run(folder, events, **settings):
    folder.mkdir(exist_ok=True)
    document = {"task": "multi_class", "optimisation": {"epochs": 2}} | settings
    (folder / "experiment.json").write_text(json.dumps(document))
    (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


def test_a_run_is_read(tmp_path):
    run = read_history(write_run(tmp_path / "run", EVENTS))
    assert (run.n_train_clips, run.n_valid_clips, run.n_broken, run.n_epochs) == (90, 10, 3, 2)
    assert run.steps[1] == StepPoint(epoch=1.0, loss=2.0, clips_per_s=21.5)
    assert run.epoch == 2.0
    assert [point.epoch for point in run.evaluations] == [1.0, 2.0]
    assert run.best == EvaluationPoint(epoch=1.0, loss=1.5, accuracy=0.5, mean_average_precision=0.7)


def test_a_line_in_the_making_is_left_out(tmp_path):
    folder = write_run(tmp_path / "run", EVENTS)
    with (folder / "log.jsonl").open("a") as log:
        log.write('{"event": "step", "st')
    assert len(read_history(folder).steps) == 3


@pytest.mark.parametrize("where", ["settings", "event"])
def test_multi_label_runs_have_no_accuracy(tmp_path, where):
    events, settings = EVENTS, {"task": "multi_label"}
    if where == "event":
        events, settings = [event | {"task": "multi_label"} for event in EVENTS], {"task": "auto"}
    run = read_history(write_run(tmp_path / "run", events, **settings))
    assert [point.accuracy for point in run.evaluations] == [None, None]


def test_a_run_that_has_just_begun(tmp_path):
    run = read_history(write_run(tmp_path / "run", []))
    assert (run.epoch, run.best, run.steps) == (0.0, None, ())


def test_what_is_no_run_is_refused(tmp_path):
    assert not is_run(tmp_path)
    with pytest.raises(DataError, match=r"no run \(a run has experiment\.json and log\.jsonl\)"):
        read_history(tmp_path)


@pytest.mark.parametrize("line", ["no JSON", '{"event": "step"}', '{"event": "step", "loss": "high"}'])
def test_a_damaged_log_is_refused(tmp_path, line):
    folder = write_run(tmp_path / "run", EVENTS)
    (folder / "log.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match="the settings or the log are damaged"):
        read_history(folder)


def test_an_evaluation_without_a_figure_is_never_the_best(tmp_path):
    unknown = {"event": "evaluation", "loss": 1.0, "accuracy": 0.9, "mean_average_precision": None}
    run = read_history(write_run(tmp_path / "run", [unknown, *EVENTS, unknown]))
    assert [point.mean_average_precision for point in run.evaluations] == [None, 0.7, 0.6, None]
    assert run.best == run.evaluations[1]
    assert read_history(write_run(tmp_path / "none", [*EVENTS[:2], unknown])).best is None
