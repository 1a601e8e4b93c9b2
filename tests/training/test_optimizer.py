import copy

import pytest
import torch

from htsat.network import HTSAT
from htsat.training.experiment import Optimisation
from htsat.training.optimizer import build_optimizers, set_trainable


@pytest.fixture
def network(one_second_config) -> HTSAT:
    """Two stages of two blocks, with stochastic depth."""
    torch.manual_seed(0)
    return HTSAT(one_second_config)


def settings_of(network: HTSAT, optimizers: list, key: str) -> dict[str, float]:
    """What the groups of the optimisers say about each parameter; each must be in one group only."""
    found = [
        (id(parameter), group[key])
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len(found) == len(dict(found))
    return {name: dict(found)[id(p)] for name, p in network.named_parameters() if id(p) in dict(found)}


def learn(network: HTSAT, optimizers: list) -> None:
    waveform = torch.randn(2, network.config.clip_samples, generator=torch.Generator().manual_seed(1))
    network(waveform).clip_logits.square().sum().backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def moved(network: HTSAT, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def state_copy(network: HTSAT) -> dict[str, torch.Tensor]:
    return copy.deepcopy(network.state_dict())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_only_weights_of_layers_decay(network, optimizer):
    optimizers = build_optimizers(network, Optimisation(optimizer=optimizer, weight_decay=0.3))
    decay = settings_of(network, optimizers, "weight_decay")
    assert decay.keys() == dict(network.named_parameters()).keys()
    spared = {name for name, value in decay.items() if value == 0.0}
    assert spared == {
        name for name in decay if name.endswith(("bias", "bias_table")) or "norm" in name.split(".")[-2]
    }
    assert {decay[name] for name in decay.keys() - spared} == {0.3}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_everything_decays_as_in_the_official_code_on_demand(network, optimizer):
    settings = Optimisation(optimizer=optimizer, decay="all", weight_decay=0.05)
    assert set(settings_of(network, build_optimizers(network, settings), "weight_decay").values()) == {0.05}


def test_adamw_as_published_is_one_group(network):
    (adamw,) = build_optimizers(network, Optimisation(decay="all"))
    (group,) = adamw.param_groups
    assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.9, 0.999), 1e-8, 0.05)


def test_muon_moves_the_matrices_of_the_transformer_and_adamw_the_rest(network):
    muon, adamw = build_optimizers(network, Optimisation(optimizer="muon"))
    matrices, others = settings_of(network, [muon], "lr"), settings_of(network, [adamw], "lr")
    assert matrices.keys() | others.keys() == dict(network.named_parameters()).keys()
    assert {name.split(".", 4)[-1] for name in matrices if "blocks" in name} == {
        "attention.qkv.weight",
        "attention.projection.weight",
        "mlp.0.weight",
        "mlp.2.weight",
    }
    assert {name for name in matrices if "blocks" not in name} == {"stages.0.merge.reduction.weight"}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_rate_falls_from_each_block_to_the_one_below(network, optimizer):
    settings = Optimisation(optimizer=optimizer, layer_decay=0.5)
    factor = settings_of(network, build_optimizers(network, settings), "factor")
    expected = {
        "head": 1.0,
        "norm": 1.0,
        "stages.1.blocks.1": 0.5,
        "stages.1.blocks.0": 0.25,
        "stages.0.merge": 0.125,
        "stages.0.blocks.1": 0.125,
        "stages.0.blocks.0": 0.0625,
        "patch_embedding": 0.03125,
        "mel_norm": 0.03125,
    }
    assert factor.keys() == dict(network.named_parameters()).keys()
    for name, value in factor.items():
        assert value == next(expected[part] for part in expected if name.startswith(f"{part}.")), name


def test_without_layer_decay_all_move_alike(network):
    assert set(settings_of(network, build_optimizers(network, Optimisation()), "factor").values()) == {1.0}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_where_only_the_head_learns_nothing_else_is_given_to_the_optimiser(network, optimizer):
    optimizers = build_optimizers(network, Optimisation(optimizer=optimizer, learn="head"))
    assert settings_of(network, optimizers, "factor") == {
        "head.token_semantic.weight": 1.0,
        "head.token_semantic.bias": 1.0,
    }
    assert not any(parameter.requires_grad for parameter in network.stages.parameters())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_frozen_weights_and_statistics_stay_until_they_are_let_go(network, optimizer):
    optimizers = build_optimizers(network, Optimisation(optimizer=optimizer, weight_decay=0.5, decay="all"))
    set_trainable(network, only_head=True)
    before = state_copy(network)
    learn(network, optimizers)
    assert moved(network, before) == {"head.token_semantic.weight", "head.token_semantic.bias"}

    set_trainable(network, only_head=False)
    learn(network, optimizers)
    assert moved(network, before) >= dict(network.named_parameters()).keys()
    assert "mel_norm.running_mean" in moved(network, before)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_what_has_learned_stays_when_it_is_frozen_again(network, optimizer):
    """The optimisers still remember its gradients, and would move it along if they were asked to."""
    optimizers = build_optimizers(network, Optimisation(optimizer=optimizer, weight_decay=0.5))
    set_trainable(network, only_head=False)
    learn(network, optimizers)
    set_trainable(network, only_head=True)
    before = state_copy(network)
    learn(network, optimizers)
    assert moved(network, before) == {"head.token_semantic.weight", "head.token_semantic.bias"}


def test_what_is_frozen_hears_as_in_evaluation(network):
    set_trainable(network, only_head=True)
    waveform = torch.randn(2, network.config.clip_samples)
    learning = network(waveform).embedding
    torch.testing.assert_close(learning, network.eval()(waveform).embedding)
    assert not learning.requires_grad


def test_a_network_is_put_into_training_as_a_whole(network):
    set_trainable(network.eval(), only_head=False)
    assert all(part.training for part in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
