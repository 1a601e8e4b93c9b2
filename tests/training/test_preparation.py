"""What makes training cheaper changes nothing of what is learned."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from htsat.network import HTSAT, ModelConfig
from htsat.network.swin import Stage, SwinBlock
from htsat.training.experiment import Experiment, Machines
from htsat.training.parallel.preparation import GlobalBatchNorm1d, compile_stages, prepare_network


@pytest.fixture
def network(half_second_config: ModelConfig) -> HTSAT:
    """With stochastic depth that leaves out two branches of five."""
    torch.manual_seed(0)
    return HTSAT(dataclasses.replace(half_second_config, drop_path=0.4))


def prepared(network: HTSAT, n_processes: int = 1, **machines: object) -> HTSAT:
    fabric = SimpleNamespace(world_size=n_processes)
    prepare_network(network, Experiment(machines=Machines(**machines)), fabric)
    return network


def gradients(network: HTSAT) -> dict[str, Tensor]:
    """Of a training step, with stochastic depth drawn the same way each time."""
    torch.manual_seed(1)
    network.train().zero_grad()
    waveform = torch.randn(4, network.config.clip_samples)
    network(waveform).clip_logits.square().sum().backward()
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def kept_bytes(network: HTSAT) -> int:
    """Size of what the forward pass keeps for the backward pass, each storage once."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(torch.randn(4, network.config.clip_samples))
    return sum(kept.values())


def test_checkpointed_blocks_have_the_same_gradients(network: HTSAT) -> None:
    before = gradients(network)
    names = list(network.state_dict())
    after = gradients(prepared(network, activation_checkpointing=True))
    assert list(network.state_dict()) == names
    for name, gradient in before.items():
        assert torch.equal(after[name], gradient), name


def test_checkpointed_blocks_keep_less(network: HTSAT) -> None:
    whole = kept_bytes(network)
    assert kept_bytes(prepared(network, activation_checkpointing=True)) < 0.7 * whole


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_compiled_stages_have_the_same_gradients(network: HTSAT) -> None:
    """The operations are captured and run one by one: making machine code of them takes minutes."""
    before = gradients(network)
    names = list(network.state_dict())
    compile_stages(network, backend="eager")
    after = gradients(network)
    assert list(network.state_dict()) == names
    for name, gradient in before.items():
        torch.testing.assert_close(after[name], gradient, msg=name)


def test_stages_are_compiled_where_it_is_asked_for_and_for_training_alone(
    network: HTSAT, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def compile_(forward: Callable[..., Tensor], backend: str) -> Callable[..., Tensor]:
        def compiled(stage: Stage, tokens: Tensor) -> Tensor:
            calls.append(backend)
            return forward(stage, tokens)

        return compiled

    monkeypatch.setattr(torch, "compile", compile_)
    gradients(prepared(network))
    assert calls == []
    gradients(prepared(network, compile=True))
    assert calls == ["inductor"] * len(network.stages)
    network.eval()(torch.zeros(1, network.config.clip_samples))
    assert len(calls) == len(network.stages)


def test_a_copy_of_a_prepared_network_is_one(network: HTSAT) -> None:
    """The running mean is a copy: it must not lead back to the network that learns."""
    compile_stages(prepared(network, activation_checkpointing=True), backend="eager")
    twin = copy.deepcopy(network).eval()
    assert [type(module) for module in twin.modules()] == [type(module) for module in network.modules()]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    twin(torch.randn(2, network.config.clip_samples)).clip_logits.sum().backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert any(parameter.grad.any() for parameter in twin.parameters() if parameter.grad is not None)


def test_nothing_changes_where_nothing_is_asked_for(network: HTSAT) -> None:
    kinds = [type(module) for module in network.modules()]
    assert [type(module) for module in prepared(network).modules()] == kinds
    assert {Stage, SwinBlock, torch.nn.BatchNorm1d} <= set(kinds)


def test_several_processes_share_the_statistics(network: HTSAT) -> None:
    assert type(prepared(network, n_processes=2).mel_norm) is GlobalBatchNorm1d


def test_evaluation_needs_no_other_process(network: HTSAT) -> None:
    waveform = torch.randn(2, network.config.clip_samples)
    expected = network.eval()(waveform).clip_logits
    assert torch.equal(prepared(network, n_processes=2)(waveform).clip_logits, expected)


def test_shared_statistics_are_for_inputs_without_gradient() -> None:
    with pytest.raises(ValueError, match="must not need a gradient"):
        GlobalBatchNorm1d(2)(torch.randn(1, 2, 3, requires_grad=True))
