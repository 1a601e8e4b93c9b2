"""Where a network starts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from htsat.checkpoints import ModelCard, save_model
from htsat.errors import ConfigError
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import default_rules
from htsat.training.experiment import Experiment
from htsat.training.start import start_network

LABELS = LabelSet.of(["a", "b", "c"])


@pytest.fixture
def start(tmp_path: Path, half_second_config: ModelConfig) -> Path:
    """A model of two classes."""
    torch.manual_seed(1)
    card = ModelCard(LabelSet.of(["x", "y"]), "multi_label", default_rules("multi_label", 2))
    network = HTSAT(ModelConfig(**{**vars(half_second_config), "n_classes": 2}))
    save_model(tmp_path / "start.safetensors", network, card)
    return tmp_path / "start.safetensors"


def test_settings_of_the_network_change_its_size() -> None:
    experiment = Experiment(size="nano", network={"head": "linear", "dim": 16, "n_heads": [1, 1, 1, 1]})
    config = start_network(experiment, LABELS).config
    assert (config.head, config.dim, config.n_classes) == ("linear", 16, 3)


def test_settings_that_no_network_has_are_refused() -> None:
    with pytest.raises(ConfigError, match="ModelConfig has no field 'dims'; did you mean 'dim'"):
        start_network(Experiment(network={"dims": 8}), LABELS)


def test_a_network_that_is_to_hear_another_rate_keeps_its_own_filters(start: Path) -> None:
    changes = {"sample_rate": 4_000, "clip_s": 1.0, "max_hz": 2_000.0}
    network = start_network(Experiment(init_from=str(start), network=changes), LABELS)
    fresh = HTSAT(network.config)
    assert network.config.sample_rate == 4_000
    assert torch.equal(network.log_mel.filterbank, fresh.log_mel.filterbank)
    saved = start_network(Experiment(init_from=str(start)), LabelSet.of(["x", "y"]))
    assert torch.equal(network.norm.weight, saved.norm.weight)
    own, theirs = network.stages[0].state_dict(), saved.stages[0].state_dict()
    assert all(torch.equal(own[name], theirs[name]) for name in own)


def test_another_head_is_fresh(start: Path) -> None:
    network = start_network(
        Experiment(init_from=str(start), network={"head": "linear"}), LabelSet.of(["x", "y"])
    )
    assert network.config.head == "linear"


def test_a_fresh_multi_label_classifier_expects_one_class_of_all(start: Path) -> None:
    network = start_network(Experiment(init_from=str(start), task="multi_label"), LABELS)
    torch.testing.assert_close(network.head.token_semantic.bias, torch.full((3,), -math.log(2)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hed": "linear"}, "network has no field 'hed'; did you mean 'head'"),
        ({"dim": 32}, r"network does not fit .*start.safetensors: patch_embedding.* there, and .* here"),
    ],
)
def test_settings_that_do_not_fit_the_start_are_refused(
    start: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        start_network(Experiment(init_from=str(start), network=changes), LABELS)
