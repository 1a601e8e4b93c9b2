import math

import pytest
import torch
import torch.nn.functional as F

from htsat.errors import ConfigError
from htsat.network import HTSAT, ModelConfig
from htsat.training.averaging import ExponentialAverage
from htsat.training.experiment import Experiment, Optimisation
from htsat.training.losses import clip_loss
from htsat.training.optimizer import build_optimizers
from htsat.training.schedule import learning_rate

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 1.0, 0.0]])
TARGET = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.25, 0.75]])


def test_multi_label_loss_is_binary_cross_entropy_of_the_probabilities():
    expected = F.binary_cross_entropy(LOGITS.sigmoid(), TARGET)
    torch.testing.assert_close(clip_loss(LOGITS, TARGET, "multi_label", 0.0), expected)


def test_multi_class_loss_is_the_cross_entropy_by_hand():
    expected = -(TARGET * LOGITS.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(clip_loss(LOGITS, TARGET, "multi_class", 0.0), expected)


def test_smoothing_spreads_the_target_over_all_classes():
    smooth = 0.7 * TARGET + 0.1
    torch.testing.assert_close(
        clip_loss(LOGITS, TARGET, "multi_label", 0.3), F.binary_cross_entropy(LOGITS.sigmoid(), smooth)
    )


@pytest.mark.parametrize(
    ("clips_seen", "expected"),
    [(0, 1e-6), (499, 5e-4), (999, 1e-3), (1000, 1e-3), (1500, 5.05e-4), (2000, 1e-5), (3000, 1e-5)],
)
def test_the_learning_rate_rises_then_falls_like_a_cosine(clips_seen, expected):
    settings = Optimisation(learning_rate=1e-3, final_learning_rate=1e-5, warmup_clips=1000)
    assert math.isclose(learning_rate(settings, clips_seen, 2000), expected, rel_tol=1e-9)


def _small_network():
    return HTSAT(ModelConfig.named("nano", n_classes=2, dim=8, depths=(1, 1, 1, 1), n_heads=(1, 1, 1, 1)))


def test_only_weights_of_layers_decay():
    network = _small_network()
    (adamw,) = build_optimizers(network, Optimisation(weight_decay=0.3))
    decayed, spared = adamw.param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    tables = {id(stage.blocks[0].attention.bias_table) for stage in network.stages}
    assert tables <= {id(parameter) for parameter in spared["params"]}


def test_muon_moves_the_matrices_of_the_transformer_and_adamw_the_rest():
    network = _small_network()
    muon, adamw = build_optimizers(network, Optimisation(optimizer="muon"))
    matrices = {id(parameter) for group in muon.param_groups for parameter in group["params"]}
    others = {id(parameter) for group in adamw.param_groups for parameter in group["params"]}
    assert id(network.stages[0].blocks[0].mlp[0].weight) in matrices
    assert id(network.head.token_semantic.weight) in others
    assert matrices.isdisjoint(others)
    assert len(matrices | others) == len(list(network.parameters()))


def test_the_running_mean_follows_and_settles():
    layer = torch.nn.BatchNorm1d(1)
    average = ExponentialAverage(layer, decay=0.5)
    layer.weight.data.fill_(3.0)
    layer.num_batches_tracked.fill_(7)
    average.update(layer)
    assert average.network.weight.item() == pytest.approx(0.1 * 1.0 + 0.9 * 3.0)
    for _ in range(60):
        average.update(layer)
    assert average.network.weight.item() == pytest.approx(3.0)
    assert average.network.num_batches_tracked.item() == 7


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Optimisation(epochs=0), "optimisation.epochs must be positive, got 0"),
        (lambda: Optimisation(ema_decay=1.0), r"optimisation.ema_decay must lie in \[0, 1\), got 1.0"),
        (lambda: Experiment(valid_share=-0.1), r"valid_share must lie in \[0, 1\), got -0.1"),
    ],
)
def test_settings_out_of_range_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
