import pytest
import torch
from torch import nn

from htsat.training.averaging import (
    ExponentialAverage,
    NoAverage,
    UniformAverage,
    build_average,
)
from htsat.training.experiment import Optimisation
from htsat.training.schedule import Progress


def layer(value: float = 1.0, n_batches: int = 0) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(1)
    norm.weight.data.fill_(value)
    norm.num_batches_tracked.fill_(n_batches)
    return norm


@pytest.mark.parametrize(
    ("name", "kind"), [("exponential", ExponentialAverage), ("uniform", UniformAverage), ("none", NoAverage)]
)
def test_the_settings_name_the_mean(name, kind):
    assert type(build_average(layer(), Optimisation(averaging=name))) is kind


def test_the_running_mean_follows_and_settles():
    average = ExponentialAverage(layer(1.0), decay=0.5)
    average.update(layer(3.0, n_batches=7))
    assert average.network.weight.item() == pytest.approx(0.1 * 1.0 + 0.9 * 3.0)
    for _ in range(60):
        average.update(layer(3.0, n_batches=7))
    assert average.network.weight.item() == pytest.approx(3.0)
    assert average.network.num_batches_tracked.item() == 7


def test_the_running_mean_belongs_to_every_step():
    assert ExponentialAverage(layer(), decay=0.5).is_due(Progress(1, 100))


def test_the_uniform_mean_is_that_of_all_states_given_to_it():
    average = UniformAverage(layer(100.0), begin=0)
    for value in (1.0, 2.0, 6.0):
        average.update(layer(value, n_batches=int(value)))
    assert average.network.weight.item() == pytest.approx(3.0)
    assert average.network.num_batches_tracked.item() == 6
    assert not average.network.training
    assert not average.network.weight.requires_grad


def test_before_its_beginning_the_uniform_mean_is_the_network_as_it_is():
    learning = layer(1.0)
    average = UniformAverage(learning, begin=3)
    assert average.network is learning
    average.update(learning)
    assert average.network is not learning


def test_the_uniform_mean_takes_the_ends_of_the_epochs_in_the_last_part_of_a_run():
    average = build_average(layer(), Optimisation(epochs=8, averaging="uniform", uniform_from=0.75))
    due = [n_clips for n_clips in range(2, 82, 2) if average.is_due(Progress(n_clips, 10))]
    assert due == [70, 80]


def test_without_a_mean_the_network_that_learns_is_evaluated():
    learning = layer(1.0)
    average = build_average(learning, Optimisation(averaging="none"))
    assert average.network is learning
    assert not average.is_due(Progress(100, 100))
    average.update(learning)
    assert average.copies == ()


@pytest.mark.parametrize("averaging", ["exponential", "uniform", "none"])
@pytest.mark.parametrize("n_before", [0, 2])
def test_weights_of_the_copies_and_number_of_updates_are_where_a_mean_stands(averaging, n_before):
    settings = Optimisation(averaging=averaging)
    whole, resumed = build_average(layer(1.0), settings), build_average(layer(1.0), settings)
    for value in range(n_before):
        whole.update(layer(value))
    for old, new in zip(whole.copies, resumed.copies, strict=True):
        new.load_state_dict(old.state_dict())
    resumed.n_updates = whole.n_updates
    for average in (whole, resumed):
        average.update(layer(0.3))
        average.update(layer(0.7))
    assert torch.equal(whole.network.weight, resumed.network.weight)
