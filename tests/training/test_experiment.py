import pytest

from htsat.errors import ConfigError
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
    ],
)
def test_settings_out_of_range_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
