"""The network computes what the official one computes, step by step, for its weights and sounds.

`pytest tests/network/test_parity.py -q -s` prints the largest difference of each step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from htsat.checkpoints import official
from htsat.checkpoints.names import SWIN, rename
from htsat.checkpoints.tensors import build
from htsat.network import HTSAT, HTSATOutput, ModelConfig
from htsat.network.swin import StageOutput


def load(weights: dict[str, Tensor]) -> HTSAT:
    converted = official.convert(weights, sample_rate=None)
    return build(converted.config, converted.tensors)


class Run(NamedTuple):
    """One forward and backward pass with everything in between, of the first sound where it is large."""

    network: HTSAT
    steps: dict[str, Tensor]
    output: HTSATOutput
    loss: float


@pytest.fixture(scope="module")
def run(golden, official_state_dict, official_waveforms) -> Run:  # type: ignore[no-untyped-def]
    network = load(official_state_dict("hc"))
    assert network.config == ModelConfig()
    steps: dict[str, Tensor] = {}

    def keep(name: str) -> object:
        def hook(module: object, inputs: tuple[Tensor], output: Tensor | StageOutput) -> None:
            tokens = output.merged if isinstance(output, StageOutput) else output
            steps.update({name: tokens.detach(), f"{name} input": inputs[0].detach()})

        return hook

    modules = {"log_mel": network.log_mel, "patches": network.patch_embedding}
    modules |= {f"stage{index}": stage for index, stage in enumerate(network.stages)}
    hooks = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    output = network(official_waveforms)
    for hook in hooks:
        hook.remove()
    loss = F.binary_cross_entropy_with_logits(output.clip_logits, torch.tensor(golden["targets"]))
    loss.backward()
    return Run(network, steps, HTSATOutput(*(part.detach() for part in output)), loss.item())


def close(name: str, ours: Tensor, official: np.ndarray, atol: float) -> None:
    print(f"{name}: largest difference {np.abs(ours.numpy() - official).max():.1e}")
    np.testing.assert_allclose(ours.numpy(), official, atol=atol, rtol=0)


def test_log_mel(run: Run, golden: dict[str, np.ndarray]) -> None:
    close("log-mel, dB", run.steps["log_mel"][0], golden["logmel"], atol=3e-4)


def test_folded_image(run: Run, golden: dict[str, np.ndarray]) -> None:
    close("folded image", run.steps["patches input"][0], golden["folded"], atol=3e-5)


def test_patch_tokens(run: Run, golden: dict[str, np.ndarray]) -> None:
    close("patch tokens", run.steps["patches"][0].flatten(0, 1)[::64], golden["patch_embed"], atol=2e-5)


@pytest.mark.parametrize("stage", ["stage0", "stage1", "stage2", "stage3"])
def test_tokens_after_each_stage(run: Run, golden: dict[str, np.ndarray], stage: str) -> None:
    tokens = run.steps[stage][0].flatten(0, 1)
    close(stage, tokens[:: len(tokens) // 16], golden[stage], atol=2e-5)


def test_clip_and_frame_probabilities(run: Run, golden: dict[str, np.ndarray]) -> None:
    close("clip probabilities", run.output.clip_logits.sigmoid(), golden["hc_clip"], atol=1e-5)
    close("frame probabilities", run.output.frame_logits.sigmoid(), golden["hc_frame"], atol=1e-5)


def test_embedding(run: Run, golden: dict[str, np.ndarray]) -> None:
    close("embedding", run.output.embedding, golden["hc_latent"], atol=1e-5)


def test_loss_and_the_gradient_of_every_parameter(run: Run, golden_facts: dict[str, object]) -> None:
    assert run.loss == pytest.approx(golden_facts["bce_loss"], rel=1e-6)
    expected = rename(golden_facts["grad_norm"], SWIN, ()).tensors  # type: ignore[arg-type]
    norms = {name: float(parameter.grad.norm()) for name, parameter in run.network.named_parameters()}
    worst = max(abs(norms[name] / expected[name] - 1) for name in expected)
    print(f"gradient norms of {len(norms)} parameters: largest relative difference {worst:.1e}")
    assert norms == pytest.approx(expected, rel=1e-4)


def test_logits_of_50_classes(golden, official_state_dict, official_waveforms) -> None:  # type: ignore[no-untyped-def]
    network = load(official_state_dict("ce50"))
    with torch.no_grad():
        close(
            "logits of 50 classes", network(official_waveforms).clip_logits, golden["ce50_logits"], atol=1e-5
        )


def test_linear_head_of_ablation_h(golden, official_state_dict, official_waveforms) -> None:  # type: ignore[no-untyped-def]
    network = load(official_state_dict("h"))
    with torch.no_grad():
        output = network(official_waveforms)
        # The official frame output sums the two frequency cells that ours averages; both add the bias once.
        summed = 2 * output.frame_logits - network.head.linear.bias
    close("H clip probabilities", output.clip_logits.sigmoid(), golden["h_clip"], atol=1e-5)
    close("H frame probabilities", summed.sigmoid(), golden["h_frame"], atol=1e-5)
