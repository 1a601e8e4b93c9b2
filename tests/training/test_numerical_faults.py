"""Numbers that fail while a network learns: the run stops and says where, and what it has kept stays good."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from htsat.cli.main import main
from htsat.data.dataset import Draw, Sample, TrainingClips
from htsat.errors import HtsatError
from htsat.network import HTSAT
from htsat.processes import ALONE
from htsat.training import losses
from htsat.training.averaging import ExponentialAverage
from htsat.training.experiment import Experiment, Machines
from htsat.training.faults import FaultWatch, are_finite
from htsat.training.log import Log
from htsat.training.mixing import Mixup
from htsat.training.run import Run
from htsat.training.state import read_state
from htsat.training.train import resume, train

pytestmark = pytest.mark.usefixtures("small_network")

Maker = Callable[..., Experiment]
Written = Callable[[Path], Any]
"""`written(run)` has `events(kind)` of the log and `is_sound()`."""


def endless_gradient(logits: Tensor) -> Tensor:
    """Zero, with a slope that is infinite: the square root at 0."""
    return (logits - logits.detach() + 1e-45).square().sum().sqrt()


FAULTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "loss nan": lambda loss, logits: loss * float("nan"),
    "loss inf": lambda loss, logits: loss + logits.sum().exp() * float("inf"),
    "gradient nan": lambda loss, logits: loss + endless_gradient(logits),
}


def fail_in_part(monkeypatch: pytest.MonkeyPatch, number: int, fault: str) -> None:
    """Let the loss of one part of a batch fail, counted from 1."""
    n_parts = 0

    def failing(logits: Tensor, *others: object) -> Tensor:
        nonlocal n_parts
        n_parts += 1
        loss = losses.clip_loss(logits, *others)  # type: ignore[arg-type]
        return FAULTS[fault](loss, logits) if n_parts == number else loss

    monkeypatch.setattr("htsat.training.loop.clip_loss", failing)


def optimised(settings: Experiment, **changes: object) -> Experiment:
    return dataclasses.replace(settings, optimisation=dataclasses.replace(settings.optimisation, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("case", list(product(FAULTS, ["exponential", "uniform", "none"], [3, 4])))
def test_a_number_that_is_not_finite_stops_the_run_and_leaves_a_good_state(
    tmp_path: Path,
    experiment: Maker,
    monkeypatch: pytest.MonkeyPatch,
    written: Written,
    case: tuple[str, str, int],
) -> None:
    """In the middle of an epoch of two steps, and in the step after which a checkpoint is due."""
    (fault, averaging, step), run = case, tmp_path / "run"
    settings = optimised(experiment(keep_top=2), epochs=3, averaging=averaging, uniform_from=0.0)
    with monkeypatch.context() as patched:
        fail_in_part(patched, step, fault)
        with pytest.raises(HtsatError) as caught:
            train(settings, run)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{fault} in step {step} (epoch {step / 2:g}), with {tmp_path / 'data'}")
    assert said.endswith(f"and 5 more; {run / 'state.ckpt'} of step 2 is good")
    assert read_state(run).trainer.step == 2
    assert written(run).is_sound()
    (told,) = written(run).events("fault")
    assert (told["step"], told["epoch"], told["what"]) == (step, step / 2, fault)
    assert len(told["clips"]) == 8


def test_a_run_goes_on_from_its_good_state_as_if_nothing_had_been(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    settings = optimised(experiment(), epochs=3)
    with monkeypatch.context() as patched:
        fail_in_part(patched, 4, "gradient nan")
        with pytest.raises(HtsatError):
            train(settings, tmp_path / "failed")
    resume(settings, tmp_path / "failed")
    train(settings, tmp_path / "smooth")
    after, expected = (read_state(tmp_path / name).trainer for name in ("failed", "smooth"))
    assert after.step == expected.step == 6
    for one, other in zip(
        (after.network, *after.averages), (expected.network, *expected.averages), strict=True
    ):
        assert all(torch.equal(one[name], other[name]) for name in other)
    assert [event["step"] for event in written(tmp_path / "failed").events("step")] == [1, 2, 3, 4, 5, 6]


def test_only_the_clips_of_the_part_that_failed_are_named_with_both_of_a_mixture(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    """Batches of 8 are heard in two parts: the third part is the first of step 2, so draws 8 to 11."""
    settings = optimised(experiment(mixup=Mixup(probability=1.0), valid_share=0.0), accumulate=2)
    heard: list[str] = []
    original = TrainingClips._sample

    def noted(clips: TrainingClips, draw: Draw, broken: tuple[str, ...]) -> Sample:
        sample = original(clips, draw, broken)
        heard.append(clips.title(sample.draw.index))
        return sample

    monkeypatch.setattr(TrainingClips, "_sample", noted)
    fail_in_part(monkeypatch, 3, "loss nan")
    with pytest.raises(HtsatError, match="loss nan in step 2"):
        train(settings, tmp_path / "run")
    (told,) = written(tmp_path / "run").events("fault")
    assert told["clips"] == heard[8:12]


def test_a_fault_is_found_whenever_the_log_is_written(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are not waited for: with a line for every 3 of 6 steps, that of step 1 ends the run in step 3."""
    settings = optimised(experiment(log_every=3, valid_share=0.0), epochs=1, batch_size=4, averaging="none")
    fail_in_part(monkeypatch, 1, "gradient nan")
    with pytest.raises(HtsatError, match=r"gradient nan in step 1 \(epoch 0.167\).* of step 0 is good"):
        train(settings, tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_checkpoint_within_an_epoch_is_not_written_after_a_fault(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    """One is due after every step, and no model is saved there that would be looked at."""
    settings = optimised(experiment(checkpoint_every_steps=1, log_every=100), batch_size=4)
    fail_in_part(monkeypatch, 6, "gradient nan")
    with pytest.raises(HtsatError, match=r"gradient nan in step 6 .* of step 5 is good"):
        train(settings, tmp_path / "run")
    assert read_state(tmp_path / "run").trainer.step == 5
    assert written(tmp_path / "run").is_sound()


def test_a_learning_rate_that_throws_the_weights_beyond_all_numbers(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    """Loss and gradient of the first step are finite; what comes of it is not."""
    monkeypatch.setattr("htsat.training.ranges._LARGEST", 1e40)  # else such a rate is refused
    settings = optimised(experiment(), learning_rate_steps=((0, 1e39),), optimizer="adamw", epochs=1)
    with pytest.raises(HtsatError, match=r"weights not finite in step 1 \(epoch 0.5\); .* of step 0 is good"):
        train(settings, tmp_path / "run")
    assert written(tmp_path / "run").is_sound()


def test_a_mean_of_weights_that_is_not_finite_is_not_kept(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    original = ExponentialAverage.update

    def spoiled(average: ExponentialAverage[HTSAT], network: nn.Module) -> None:
        original(average, network)
        if average.n_updates == 4:
            next(average.network.parameters()).data.view(-1)[0] = float("inf")

    monkeypatch.setattr(ExponentialAverage, "update", spoiled)
    with pytest.raises(HtsatError, match="weights not finite in step 4"):
        train(optimised(experiment(), epochs=3), tmp_path / "run")
    assert read_state(tmp_path / "run").trainer.step == 2
    assert written(tmp_path / "run").is_sound()


@pytest.mark.parametrize("memory_gb", [8.0, 0.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_clip_with_impossible_samples_is_left_out_and_named(
    recordings: Path, tmp_path: Path, experiment: Maker, written: Written, memory_gb: float, bad: float
) -> None:
    """Nothing of it reaches the network, mixed or not."""
    spoiled = recordings / "low" / "3-low.wav"
    samples, rate = soundfile.read(spoiled, dtype="float32")
    samples[100] = bad
    soundfile.write(spoiled, samples, rate, subtype="FLOAT")
    settings = experiment(machines=Machines(memory_gb=memory_gb), valid_share=0.0)
    train(optimised(settings, epochs=2), tmp_path / "run")
    told = [event for kind in ("data", "broken") for event in written(tmp_path / "run").events(kind)]
    named = [reason for event in told for reason in event["broken"]]
    assert named
    assert all("3-low.wav" in json.dumps(reason) for reason in named)


def test_answers_to_held_out_clips_that_are_not_finite_end_the_run(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    """Weights are finite and too large: their products are not."""
    evaluate = Run._evaluate

    def with_huge_weights(run: Run) -> None:
        for weight in run.trainer.averaged.head.parameters():
            weight.data.fill_(3e38)
        evaluate(run)

    monkeypatch.setattr(Run, "_evaluate", with_huge_weights)
    with pytest.raises(HtsatError, match="the network's answers to 6 of 6 held-out clips are not finite"):
        train(optimised(experiment(), epochs=1), tmp_path / "run")
    assert written(tmp_path / "run").events("evaluation") == []


def test_the_log_has_null_for_a_figure_that_does_not_exist(tmp_path: Path, written: Written) -> None:
    shown: list[dict[str, object]] = []
    (tmp_path / "log.jsonl").touch()
    Log(tmp_path / "log.jsonl", shown.append).write(
        event="evaluation", loss=0.5, mean_average_precision=np.nan
    )
    assert written(tmp_path).events("evaluation") == shown
    assert shown == [{"event": "evaluation", "loss": 0.5, "mean_average_precision": None}]


# The parts that look.


def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_the_first_fault_is_told_and_only_once() -> None:
    watch = FaultWatch(has_loss_scale=False)
    good, bad = torch.tensor(1.0), torch.tensor(float("inf"))
    watch.note_loss(1, good, ["a"])
    watch.note_gradient(1, [good, bad], ["a", "b"])
    watch.note_loss(2, bad, ["c"])
    found = watch.find(fabric(), ALONE)
    assert found == (1, "gradient inf", ("a", "b"))
    watch.note_loss(3, good, ["d"])
    assert watch.find(fabric(), ALONE) is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_one_bad_number_among_many_is_seen(bad: float, kind: torch.dtype) -> None:
    tensors = [
        torch.ones(3, 5, dtype=kind),
        torch.arange(4),
        torch.ones(0, dtype=kind),
        torch.ones(7, dtype=kind),
    ]
    tensors[0][2, 4] = -60_000
    assert are_finite(tensors, fabric())
    tensors[3][6] = bad
    assert not are_finite(tensors, fabric())


def test_the_error_of_the_command_is_one_line(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_in_part(monkeypatch, 1, "loss nan")
    words = ["finetune", str(recordings), "-o", str(tmp_path / "run"), "--size", "nano", "--device", "cpu"]
    assert main([*words, "--optimisation.batch-size", "4", "--log-every", "1"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "nan" in line]
    assert len(said) == 1
    assert re.match(r"htsat: loss nan in step 1 \(epoch 0\.\d+\), with .* and 1 more; .*", said[0])
