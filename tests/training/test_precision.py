"""Half precision: what stays in float32, and what becomes of numbers that are too large."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision
from torch import Tensor

from htsat.errors import HtsatError
from htsat.network import HTSAT, ModelConfig
from htsat.training import losses
from htsat.training.experiment import Experiment, Optimisation
from htsat.training.faults import MAX_SKIPPED
from htsat.training.optimizer import build_optimizers
from htsat.training.state import read_state
from htsat.training.train import Watcher, resume, train

pytestmark = pytest.mark.usefixtures("small_network")

Maker = Callable[..., Experiment]
Written = Callable[[Path], Any]
"""`written(run)` has `events(kind)` of the log and `is_sound()`."""

LOSS_SCALE = 65_536.0
"""The first one."""


@pytest.mark.parametrize("size", [1e2, 1e4, 1e38])
def test_losses_of_huge_logits_are_finite_and_so_are_their_slopes(size: float) -> None:
    """Probabilities are exactly 0 and 1 there; the losses are of logits, so nobody takes a logarithm of 0."""
    logits = torch.tensor([[size, -size, 0.0], [-size, size, size]], requires_grad=True)
    target = torch.tensor([[0.0, 1.0, 0.5], [0.0, 1.0, 0.0]])
    frames, known = logits[:, None], torch.ones(2, 3)
    for loss in (
        losses.clip_loss(logits, target, "multi_label", 0.1),
        losses.tagged_loss(logits, target, torch.ones(2), 0.1),
        losses.frame_loss(frames, target[:, None], known),
        losses.consistency_loss(logits, -logits.detach()),
        losses.clip_loss(logits, torch.tensor([[0.3, 0.7, 0.0], [1.0, 0.0, 0.0]]), "multi_class", 0.0),
    ):
        (slope,) = torch.autograd.grad(loss, logits, retain_graph=True)
        assert torch.isfinite(loss)
        assert torch.isfinite(slope).all()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_losses_are_computed_in_float32(kind: torch.dtype) -> None:
    """Also of logits that come in half precision, beyond whose numbers the sum of their losses lies."""
    logits = torch.full((2, 4), 60_000.0).to(kind)
    target = torch.zeros(2, 4)
    with torch.autocast("cpu", dtype=kind):
        found = losses.clip_loss(logits, target, "multi_label", 0.0)
    assert found.dtype == torch.float32
    assert found == pytest.approx(60_000.0, rel=4e-3)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_the_front_end_stays_in_float32(half_second_config: ModelConfig, kind: torch.dtype) -> None:
    """Under autocast it gives the same bits; silence is -100 dB exactly."""
    network = HTSAT(half_second_config).eval()
    waveform = torch.randn(2, half_second_config.clip_samples) * torch.tensor([[1.0], [0.0]])
    with torch.inference_mode():
        expected = network.log_mel(waveform)
        with torch.autocast("cpu", dtype=kind):
            found = network.log_mel(waveform)
            normed = network.mel_norm(found.transpose(1, 2))
    assert found.dtype == normed.dtype == torch.float32
    assert torch.equal(found, expected)
    assert (found[1] == -100).all()


def test_bfloat16_holds_what_float16_does_not(half_second_config: ModelConfig) -> None:
    """Activations beyond 65,504 are infinite in float16, and so are the logits; not in bfloat16."""
    network = HTSAT(half_second_config).eval()
    for weight in network.head.parameters():
        weight.data.fill_(1e5)
    waveform = torch.randn(2, half_second_config.clip_samples)
    answers = {}
    for kind in (torch.bfloat16, torch.float16):
        with torch.inference_mode(), torch.autocast("cpu", dtype=kind):
            answers[kind] = network(waveform).clip_logits
    assert torch.isfinite(answers[torch.bfloat16]).all()
    assert not torch.isfinite(answers[torch.float16]).all()


def half_precision(scaler: torch.amp.GradScaler) -> Fabric:
    """float16 with a loss scale on the processor, as on a GPU."""
    return Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])


def test_what_is_heard_is_not_rounded(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fabric rounds whatever tensors come in; the front end would hear the noise of that."""
    heard, forward = [], HTSAT.forward

    def listen(network: HTSAT, waveform: Tensor, *others: Any) -> Any:
        if network.training:
            heard.append((waveform, torch.is_autocast_enabled("cpu")))
        return forward(network, waveform, *others)

    monkeypatch.setattr(HTSAT, "forward", listen)
    train(experiment(precision="bf16-mixed", optimisation=Optimisation(epochs=1, batch_size=8)), tmp_path)
    assert heard
    for waveform, is_half_precision in heard:
        assert is_half_precision
        assert waveform.dtype == torch.float32
        assert not torch.equal(waveform, waveform.bfloat16().float())


class StoppedError(Exception):
    """What a test stops a run with."""


def stop_after_three_steps(event: dict[str, object]) -> None:
    if event.get("step") == 3:
        raise StoppedError


def test_a_loss_scale_goes_on_where_it_was(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first steps would be skipped once more, until it fits again."""
    clip_loss = losses.clip_loss
    monkeypatch.setattr("htsat.training.loop.clip_loss", lambda *part: 1e3 * clip_loss(*part))
    settings = experiment(checkpoint_every_steps=1)

    def fabric() -> Fabric:
        return half_precision(torch.amp.GradScaler("cpu", init_scale=LOSS_SCALE, growth_interval=3))

    train(settings, tmp_path / "whole", fabric=fabric())
    with pytest.raises(StoppedError):
        train(settings, tmp_path / "run", Watcher(stop_after_three_steps), fabric())
    stopped = read_state(tmp_path / "run").trainer
    assert stopped.step == 2
    assert stopped.loss_scale["scale"] < LOSS_SCALE
    resume(settings, tmp_path / "run", fabric=fabric())
    whole, resumed = (read_state(tmp_path / name).trainer for name in ("whole", "run"))
    assert resumed.loss_scale == whole.loss_scale
    assert all(torch.equal(resumed.network[name], weight) for name, weight in whole.network.items())


def endless_slope(logits: Tensor) -> Tensor:
    """Zero, but its slope is no number: the square root at 0."""
    return (logits - logits.detach()).square().sum().sqrt()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_gradients_that_overflow_float16_are_skipped_until_the_loss_scale_fits(
    tmp_path: Path,
    experiment: Maker,
    monkeypatch: pytest.MonkeyPatch,
    written: Written,
    optimizer: str,
) -> None:
    """The loss a thousand times as high: the first steps overflow, nothing is lost, and then it learns."""
    clip_loss, scaler = losses.clip_loss, torch.amp.GradScaler("cpu", init_scale=LOSS_SCALE)
    monkeypatch.setattr("htsat.training.loop.clip_loss", lambda *part: 1e3 * clip_loss(*part))
    settings = experiment()
    optimisation = dataclasses.replace(settings.optimisation, optimizer=optimizer, averaging="none")
    settings = dataclasses.replace(settings, optimisation=optimisation)
    train(settings, tmp_path / "run", fabric=half_precision(scaler))
    assert scaler.get_scale() < LOSS_SCALE
    assert written(tmp_path / "run").is_sound()
    steps = written(tmp_path / "run").events("step")
    assert len(steps) == 12
    assert steps[-1]["loss"] < steps[0]["loss"]


def test_a_gradient_that_overflows_at_any_loss_scale_stops_the_run(
    tmp_path: Path, experiment: Maker, monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    clip_loss = losses.clip_loss
    monkeypatch.setattr(
        "htsat.training.loop.clip_loss",
        lambda logits, *others: clip_loss(logits, *others) + endless_slope(logits),
    )
    settings = experiment(optimisation=Optimisation(epochs=20, batch_size=8))
    with pytest.raises(HtsatError, match=f"gradient nan in step {MAX_SKIPPED + 1} "):
        train(settings, tmp_path / "run", fabric=half_precision(torch.amp.GradScaler("cpu")))
    assert written(tmp_path / "run").is_sound()


def test_a_loss_scale_and_clipped_gradients_go_together(half_second_config: ModelConfig) -> None:
    """The fused AdamW would undo the scale itself, so that Fabric refuses to clip."""
    network = HTSAT(half_second_config)
    for has_loss_scale in (False, True):
        (adamw,) = build_optimizers(network, Optimisation(), has_loss_scale=has_loss_scale)
        assert adamw.defaults["fused"] == (not has_loss_scale)
