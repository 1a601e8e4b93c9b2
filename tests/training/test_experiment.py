import dataclasses
import math
import typing

import pytest

from htsat.data.augment import WaveformAugmentation
from htsat.errors import ConfigError
from htsat.training.crossvalidation import CrossValidation
from htsat.training.experiment import Experiment, Machines, Optimisation, Teaching


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Optimisation(epochs=0), "optimisation.epochs must be positive, got 0"),
        (lambda: Optimisation(layer_decay=0.0), "optimisation.layer_decay must be positive, got 0.0"),
        (lambda: Optimisation(ema_decay=1.0), r"optimisation.ema_decay must lie in \[0, 1\), got 1.0"),
        (
            lambda: Optimisation(batch_size=6, accumulate=4),
            "optimisation.accumulate must divide the batch size 6, got 4",
        ),
        (
            lambda: Optimisation(learning_rate_steps=((1, 1e-3),)),
            r"optimisation.learning_rate_steps must begin at epoch 0 and rise, got epochs \[1\]",
        ),
        (
            lambda: Optimisation(learning_rate_steps=((0, 1e-3), (3, 1e-4), (2, 1e-5))),
            r"optimisation.learning_rate_steps must begin at epoch 0 and rise, got epochs \[0, 3, 2\]",
        ),
        (
            lambda: Optimisation(learning_rate_steps=((0, 0.0),)),
            "optimisation.learning_rate_steps: rates must be positive, got 0.0",
        ),
        (lambda: Optimisation(weight_decay=-0.1), "optimisation.weight_decay must not be negative, got -0.1"),
        (lambda: Optimisation(warmup_clips=-1), "optimisation.warmup_clips must not be negative, got -1"),
        (lambda: Machines(n_nodes=0), "machines.n_nodes must be positive, got 0"),
        (lambda: Teaching(weight=1.5), r"teaching.weight must lie in \[0, 1\], got 1.5"),
        (lambda: Teaching(temperature=0.0), "teaching.temperature must be positive, got 0.0"),
        (lambda: Experiment(valid_share=-0.1), r"valid_share must lie in \[0, 1\), got -0.1"),
        (lambda: Experiment(log_every=0), "log_every must be positive, got 0"),
        (lambda: Experiment(evaluate_every=0.0), "evaluate_every must be positive, got 0.0"),
        (lambda: Experiment(keep_top=-1), "keep_top must not be negative, got -1"),
        (lambda: Experiment(n_workers=-1), "^n_workers must be at least 0, got -1"),
        (lambda: Experiment(n_workers=1_000_000), "^n_workers must be at most 1024, got 1000000"),
        (lambda: Experiment(seed=-1), "^seed must lie between 0 and 4294967295, got -1"),
        (lambda: Experiment(seed=10**22), f"^seed must lie between 0 and 4294967295, got {10**22}"),
        (
            lambda: CrossValidation(seeds=(0, -1)),
            "^cross_validation.seeds must lie between 0 and 4294967295, got -1",
        ),
        (lambda: Experiment(network={"dim": 10**9}), "^network.dim must be at most 1024, got 1000000000"),
        (
            lambda: Experiment(augmentation=WaveformAugmentation(mix_snr_db=(0.0, math.inf))),
            "^augmentation.mix_snr_db must be a finite number, got inf",
        ),
    ],
)
def test_settings_out_of_range_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def numbers(kind=Experiment, within=()):
    """Each number but for names of folds and a pair: the groups it is in, its name and its type."""
    types = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name in ("valid_fold", "test_fold", "mix_snr_db"):
            continue
        if dataclasses.is_dataclass(types[field.name]):
            yield from numbers(types[field.name], (*within, (field.name, types[field.name])))
        for number in {int, float} & {types[field.name], *typing.get_args(types[field.name])}:
            yield pytest.param(
                within, field.name, number, id=".".join([*(name for name, _ in within), field.name])
            )


@pytest.mark.parametrize(("within", "name", "kind"), list(numbers()))
def test_no_number_is_without_bounds(within, name, kind):
    for value in (10**30, -(10**30)) if kind is int else (math.nan, math.inf, -math.inf, 1e300, -1e300):
        with pytest.raises(ConfigError, match=rf"\b{name} must "):
            nested(within, {name: value})


def nested(within, setting):
    """An experiment with one setting in these groups."""
    for group, kind in reversed(within):
        setting = {group: kind(**setting)}
    return Experiment(**setting)
