import sys
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from htsat.errors import MissingExtraError
from htsat.training.boards import open_boards, points
from htsat.training.log import Log

STEP = {"event": "step", "step": 10, "epoch": 0.5, "loss": 2.5, "learning_rate": 0.001, "clips_per_s": 20.0}
EVALUATION = {
    "event": "evaluation",
    "step": 10,
    "epoch": 0.5,
    "task": "multi_class",
    "loss": 1.5,
    "accuracy": 0.75,
    "mean_average_precision": 0.875,
}


class FakeWandb(SimpleNamespace):
    """Takes what the documented functions of the package take, and keeps it."""

    def __init__(self):
        super().__init__(started=[], metrics=[], points=[], n_finished=0)

    def init(self, **arguments):
        self.started.append(arguments)
        return self

    def define_metric(self, name, *, step_metric=None):
        self.metrics.append((name, step_metric))

    def log(self, values):
        self.points.append(values)

    def finish(self):
        self.n_finished += 1


@pytest.fixture
def wandb(monkeypatch):
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


def test_points_are_the_figures_of_an_event():
    assert points(STEP) == {
        "training/loss": 2.5,
        "training/learning_rate": 0.001,
        "training/clips_per_s": 20.0,
    }
    assert points(EVALUATION) == {"held_out/loss": 1.5, "held_out/accuracy": 0.75, "held_out/mAP": 0.875}
    assert points({"event": "broken", "step": 3, "broken": ["a.wav: gone"]}) == {}


def test_multi_label_models_have_no_curve_of_accuracy():
    assert "held_out/accuracy" not in points(EVALUATION | {"task": "multi_label"})


def read_curve(run, name):
    events = EventAccumulator(str(run / "boards" / "tensorboard"))
    events.Reload()
    return [(point.step, point.value) for point in events.Scalars(name)]


def test_tensorboard_shows_what_the_log_was_told(tmp_path):
    log = Log(tmp_path / "log.jsonl", lambda event: None, open_boards(["tensorboard"], tmp_path, {"seed": 1}))
    log.write(**STEP)
    log.write(**EVALUATION)
    log.close()
    assert read_curve(tmp_path, "training/loss") == [(10, 2.5)]
    assert read_curve(tmp_path, "held_out/mAP") == [(10, 0.875)]


def test_curves_on_tensorboard_go_on_where_the_run_goes_on(tmp_path):
    for n_done, steps, loss in ((0, (10, 20, 30), 2.0), (20, (30, 40), 1.0)):
        (board,) = open_boards(["tensorboard"], tmp_path, {}, n_done)
        for step in steps:
            board.write(STEP | {"step": step, "loss": loss})
        board.close()
    assert read_curve(tmp_path, "training/loss") == [(10, 2.0), (20, 2.0), (30, 1.0), (40, 1.0)]


def test_wandb_is_told_the_settings_and_all_points(tmp_path, wandb):
    run = tmp_path / "first"
    (board,) = open_boards(["wandb"], run, {"seed": 1})
    board.write(STEP)
    board.write({"event": "data", "n_train_clips": 3})
    board.close()
    (started,) = wandb.started
    assert (started["name"], started["config"], started["resume"]) == ("first", {"seed": 1}, "allow")
    assert started["dir"] == run / "boards"
    assert wandb.metrics == [("step", None), ("*", "step")]
    assert wandb.points == [{"step": 10, **points(STEP)}]
    assert wandb.n_finished == 1


def test_a_run_on_wandb_goes_on_under_its_name_and_a_new_one_gets_another(tmp_path, wandb):
    for n_done in (0, 20, 0):
        open_boards(["wandb"], tmp_path / "run", {}, n_done)
    first, resumed, new = (started["id"] for started in wandb.started)
    assert first == resumed != new


@pytest.mark.parametrize(("board", "extra"), [("tensorboard", "train"), ("wandb", "wandb")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, board, extra):
    for name in ("tensorboard", "wandb", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"the board {board} needs .*htsat\[{extra}\]"):
        open_boards([board], tmp_path, {})


def test_without_boards_nothing_is_opened(tmp_path):
    assert open_boards([], tmp_path, {}) == ()
    assert list(tmp_path.iterdir()) == []
