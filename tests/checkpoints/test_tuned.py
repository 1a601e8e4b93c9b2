from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from htsat.checkpoints import load_model, save_model
from htsat.checkpoints.tuned import LogitScaling, scaled_layers, write_tuned
from htsat.errors import CheckpointError
from htsat.network import HTSAT
from htsat.rules import BoxRules, EventRules

RULES = EventRules((0.3, 0.2, 0.1), min_duration_s=(0.1, 0.2, 0.3), boxes=BoxRules())
SCALING = LogitScaling(np.array([0.5, 1.0, 2.0]), np.array([-1.0, 0.0, 0.3]))


@pytest.fixture(params=["token_semantic", "linear", "fine"])
def network(request, small_network):
    if request.param == "token_semantic":
        return small_network
    torch.manual_seed(0)
    changes = {"fine_width": 8} if request.param == "fine" else {"head": request.param}
    return HTSAT(replace(small_network.config, **changes)).eval()


@pytest.fixture
def source(tmp_path, network, small_card):
    save_model(tmp_path / "source.safetensors", network, small_card)
    return tmp_path / "source.safetensors"


@pytest.mark.parametrize("half", [False, True])
def test_only_the_rules_change(tmp_path, small_network, small_card, half):
    source, path = tmp_path / "source.safetensors", tmp_path / "tuned.safetensors"
    save_model(source, small_network, small_card, half=half)
    write_tuned(path, source, RULES, {"rules": "a test"})
    card = load_model(path).card
    assert card.rules == RULES
    assert (card.labels, card.task) == (small_card.labels, small_card.task)
    assert card.provenance == {"source": "a test", "rules": "a test"}
    before, after = load_file(source), load_file(path)
    assert before.keys() == after.keys()
    assert all(
        torch.equal(before[key], after[key]) and before[key].dtype == after[key].dtype for key in after
    )


def test_scaled_logits_come_out_of_the_network(tmp_path, network, source, small_waveform):
    tagging, frames = scaled_layers(network.config)
    other = LogitScaling(SCALING.scales[::-1].copy(), SCALING.offsets[::-1].copy())
    scalings = {frames: SCALING} if tagging == frames else {frames: SCALING, tagging: other}
    path = tmp_path / "scaled.safetensors"
    write_tuned(path, source, RULES, {}, scalings)
    with torch.inference_mode():
        before, after = network(small_waveform), load_model(path).network(small_waveform)
    for name, scaling in (("frame_logits", SCALING), ("tagging_logits", scalings.get(tagging, SCALING))):
        expected = getattr(before, name).double() * torch.from_numpy(scaling.scales)
        expected += torch.from_numpy(scaling.offsets)
        torch.testing.assert_close(getattr(after, name), expected.float(), rtol=1e-4, atol=1e-4)
    assert torch.equal(after.embedding, before.embedding)


def test_rules_of_another_model_are_refused(tmp_path, source):
    with pytest.raises(
        CheckpointError, match=r"tuned.safetensors: expected 3 thresholds, one per class, got 2"
    ):
        write_tuned(tmp_path / "tuned.safetensors", source, EventRules((0.5, 0.5)), {})
    with pytest.raises(CheckpointError, match=r"none\.safetensors: no such file"):
        write_tuned(tmp_path / "tuned.safetensors", tmp_path / "none.safetensors", RULES, {})
    assert [path.name for path in tmp_path.iterdir()] == ["source.safetensors"]


def test_scaled_weights_must_be_finite(tmp_path, source):
    endless = LogitScaling(np.array([1.0, np.inf, 1.0]), np.zeros(3))
    layer = scaled_layers(load_model(source).network.config)[1]
    with pytest.raises(CheckpointError, match=f"NaN or infinity in .*{layer}"):
        write_tuned(tmp_path / "tuned.safetensors", source, RULES, {}, {layer: endless})
