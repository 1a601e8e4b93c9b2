"""What a run writes, and when."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from htsat.checkpoints import load_model
from htsat.cli.main import main
from htsat.errors import ConfigError
from htsat.training.experiment import Experiment, Machines
from htsat.training.state import read_state
from htsat.training.train import train

pytestmark = pytest.mark.usefixtures("small_network")

Maker = Callable[..., Experiment]


def events(run: Path, kind: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] == kind]


def optimised(experiment: Maker, settings: dict[str, object], **changes: object) -> Experiment:
    """Settings with some of the optimisation replaced."""
    made = experiment(**settings)
    return dataclasses.replace(made, optimisation=dataclasses.replace(made.optimisation, **changes))  # type: ignore[arg-type]


def test_evaluations_and_checkpoints_within_an_epoch(tmp_path: Path, experiment: Maker) -> None:
    # 18 clips to learn from and batches of 4 are four steps an epoch.
    settings = optimised(
        experiment, {"evaluate_every": 0.5, "checkpoint_every": 0.25}, epochs=2, batch_size=4
    )
    train(settings, tmp_path / "run")
    assert [event["step"] for event in events(tmp_path / "run", "evaluation")] == [2, 4, 6, 8]
    assert [event["epoch"] for event in events(tmp_path / "run", "evaluation")] == [0.5, 1.0, 1.5, 2.0]
    assert read_state(tmp_path / "run").trainer.step == 8


def test_the_log_tells_the_time_that_is_left(tmp_path: Path, experiment: Maker) -> None:
    train(experiment(), tmp_path / "run")
    left = [event["time_left_s"] for event in events(tmp_path / "run", "step")]
    assert left[-1] == 0
    assert all(isinstance(seconds, int) and seconds >= 0 for seconds in left)


def test_the_best_models_are_kept(tmp_path: Path, experiment: Maker) -> None:
    train(optimised(experiment, {"keep_top": 3}, learning_rate=1e-3), tmp_path / "run")
    evaluations = events(tmp_path / "run", "evaluation")
    ranking = sorted(evaluations, key=lambda event: -event["mean_average_precision"])
    kept = {f"step-{event['step']:08d}.safetensors" for event in ranking[:3]}
    assert {path.name for path in (tmp_path / "run" / "top").iterdir()} == kept
    best = load_model(tmp_path / "run" / "top" / f"step-{ranking[0]['step']:08d}.safetensors")
    same = load_model(tmp_path / "run" / "best.safetensors")
    assert all(
        (best.network.state_dict()[name] == value).all() for name, value in same.network.state_dict().items()
    )


def test_the_report_at_the_end_is_that_of_the_command(
    tmp_path: Path, experiment: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    outcome = train(experiment(), run)
    again = tmp_path / "again.json"
    command = ["evaluate", "--model", str(outcome.model), "--data", str(run / "held_out.tsv"), "--report"]
    assert main([*command, str(again)]) == 0
    report, same = (json.loads(path.read_text()) for path in (run / "held_out.json", again))
    del report["data"], same["data"]
    assert report == same
    assert outcome.held_out is not None
    assert f"accuracy   {outcome.held_out.accuracy:.4f}" in capsys.readouterr().out


def test_a_finished_run_whose_report_is_missing_gets_it(tmp_path: Path, experiment: Maker) -> None:
    from htsat.training.train import resume

    run = tmp_path / "run"
    outcome = train(experiment(), run)
    (run / "held_out.json").unlink()
    assert resume(experiment(), run) == outcome
    assert (run / "held_out.json").exists()


@pytest.mark.parametrize("averaging", ["exponential", "uniform", "none"])
def test_every_mean_of_the_weights_learns(tmp_path: Path, experiment: Maker, averaging: str) -> None:
    settings = optimised(experiment, {}, averaging=averaging, uniform_from=0.5)
    outcome = train(settings, tmp_path / "run")
    assert outcome.held_out is not None
    assert outcome.held_out.accuracy == 1.0


def test_only_the_head_learns(tmp_path: Path, experiment: Maker) -> None:
    settings = optimised(experiment, {}, averaging="none", epochs=1)
    start = train(settings, tmp_path / "start").model
    settings = optimised(experiment, {"init_from": str(start)}, averaging="none", learn="head", epochs=1)
    before, after = (
        load_model(path).network.state_dict() for path in (start, train(settings, tmp_path / "head").model)
    )
    moved = {name for name, value in after.items() if not (value == before[name]).all()}
    assert moved == {name for name in after if name.startswith("head.")}


def test_frozen_parts_stay_frozen_after_an_evaluation(tmp_path: Path, experiment: Maker) -> None:
    settings = optimised(
        experiment, {"evaluate_every": 0.25}, averaging="none", learn="head", batch_size=4, epochs=1
    )
    model = load_model(train(settings, tmp_path / "run").model)
    assert model.network.mel_norm.num_batches_tracked == 0


def test_the_network_joins_the_head_later(tmp_path: Path, experiment: Maker) -> None:
    settings = optimised(experiment, {"checkpoint_every_steps": 1}, head_epochs=1, epochs=2, averaging="none")
    states = {}

    from htsat.training.train import Watcher

    def watch(event: dict[str, object]) -> None:
        if event["event"] == "evaluation":
            model = load_model(tmp_path / "run" / "model.safetensors")
            states[event["step"]] = model.network.state_dict()

    train(settings, tmp_path / "run", Watcher(watch))
    first, last = states.values()
    fresh = "stages.0.blocks.0.mlp.0.weight"
    assert not (first[fresh] == last[fresh]).all()
    assert (first["mel_norm.num_batches_tracked"], last["mel_norm.num_batches_tracked"]) == (0, 2)


def test_a_clip_that_breaks_while_the_run_goes_on_is_named_and_replaced(
    recordings: Path, tmp_path: Path, experiment: Maker
) -> None:
    settings = experiment(machines=Machines(memory_gb=0), valid_share=0.0)
    broken = recordings / "low" / "3-low.wav"
    broken.write_bytes(broken.read_bytes()[:30])
    train(settings, tmp_path / "run")
    named = events(tmp_path / "run", "broken")
    assert named
    assert all("3-low.wav" in reason for event in named for reason in event["broken"])  # type: ignore[attr-defined]


def test_a_part_of_one_clip_cannot_be_mixed(experiment: Maker) -> None:
    with pytest.raises(ConfigError, match=r"a part of one clip has no other to be mixed with"):
        optimised(experiment, {}, batch_size=4, accumulate=4)
