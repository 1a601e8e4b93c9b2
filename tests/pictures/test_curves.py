from pathlib import Path

from htsat.pictures.curves import draw_curves
from htsat.training.history import EvaluationPoint, History, StepPoint


def run(name, evaluations):
    steps = (StepPoint(0.5, 3.0, 20.0), StepPoint(1.0, 2.5, 20.0))
    return History(Path("runs") / name, {}, 10, 4, 0, steps, tuple(evaluations))


def drawn(tmp_path, *runs):
    draw_curves(tmp_path / "curves.svg", runs)
    return (tmp_path / "curves.svg").read_text(encoding="utf-8")


def test_several_runs_share_a_picture(tmp_path):
    first = run("fold-1", [EvaluationPoint(1.0, 2.0, 0.5, 0.6), EvaluationPoint(2.0, 1.0, 0.75, 0.8)])
    text = drawn(tmp_path, first, run("fold-2", []))
    assert "fold-1: accuracy 0.750, mAP 0.800 after 2 epochs" in text
    assert "fold-2<" in text
    for title in ("training loss", "accuracy on held-out clips", "mAP on held-out clips"):
        assert title in text


def test_multi_label_runs_have_no_accuracy(tmp_path):
    text = drawn(tmp_path, run("first", [EvaluationPoint(1.0, 2.0, None, 0.6)]))
    assert "first: mAP 0.600 after 1 epochs" in text
    assert "accuracy" not in text


def test_a_run_that_holds_nothing_out_has_a_loss(tmp_path):
    text = drawn(tmp_path, run("first", []))
    assert "training loss" in text
    assert "held-out" not in text


def test_figures_that_do_not_exist_are_left_out(tmp_path):
    """As where no held-out clip has any class; and a loss of NaN, as older runs have it, is a gap."""
    text = drawn(tmp_path, run("first", [EvaluationPoint(1.0, 2.0, None, None)]))
    assert "first: no figures after 1 epochs" in text
    assert "held-out" not in text
    gaps = History(Path("gaps"), {}, 10, 4, 0, (StepPoint(0.5, float("nan"), 20.0),) * 3, ())
    assert "training loss" in drawn(tmp_path, gaps)
