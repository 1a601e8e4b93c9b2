"""Where a run starts: fresh weights, or those of a model."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor

from htsat.checkpoints import Model, load_model
from htsat.checkpoints.resolve import resolve
from htsat.errors import ConfigError, did_you_mean
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.scores import Task
from htsat.training.experiment import Experiment

_OWN_EARS = ("log_mel.",)
"""What belongs to the sample rate: a network that is to hear another one keeps its own."""


def start_network(experiment: Experiment, labels: LabelSet) -> HTSAT:
    """A fresh network of the experiment's size, or the one of `init_from` with a classifier that fits.

    Raises:
        CheckpointError: when `init_from` is not a model.
        ConfigError: when the settings of the network do not exist, or do not fit the weights of `init_from`.
    """
    if experiment.init_from is None:
        network = HTSAT(ModelConfig.named(experiment.size, n_classes=len(labels), **experiment.network))
        return _expecting_prior(network, experiment.task)
    start = load_model(resolve(experiment.init_from))
    network = HTSAT(_config(start, experiment.network, labels))
    keeps_head = start.card.labels == labels and network.config.head == start.network.config.head
    _expecting_prior(network, experiment.task)
    _take_over(start, network, keeps_head, experiment.init_from)
    return network


def _config(start: Model, changes: dict[str, Any], labels: LabelSet) -> ModelConfig:
    config = start.network.config
    known = [field.name for field in dataclasses.fields(config)]
    for name in changes:
        if name not in known:
            raise ConfigError(f"network has no field {name!r}{did_you_mean(name, known)}")
    head = "token_semantic" if config.head == "none" else config.head
    return dataclasses.replace(config, **{"head": head, "n_classes": len(labels), **changes})


def _take_over(start: Model, network: HTSAT, keeps_head: bool, name: str) -> None:
    """Load the weights of the start; those of a classifier for other classes or frames stay fresh."""
    own = network.state_dict()
    hears_alike = _ears(start.network.config) == _ears(network.config)
    keeps_fine = start.network.config.fine_width == network.config.fine_width
    left = (
        *(() if keeps_head else ("head.", "fine_head.classifier.")),
        *(() if keeps_fine else ("fine_head.",)),
        *(() if hears_alike else _OWN_EARS),
    )
    kept = {key: value for key, value in start.network.state_dict().items() if not key.startswith(left)}
    _check_shapes(kept, own, name)
    network.load_state_dict({**own, **kept})


def _ears(config: ModelConfig) -> tuple[object, ...]:
    return (config.sample_rate, config.n_fft, config.n_mels, config.min_hz, config.max_hz)


def _check_shapes(kept: dict[str, Tensor], own: dict[str, Tensor], name: str) -> None:
    for key, value in kept.items():
        there, here = tuple(value.shape), tuple(own[key].shape) if key in own else None
        if there != here:
            raise ConfigError(f"network does not fit {name}: {key} has {there} there, and {here} here")


def _expecting_prior(network: HTSAT, task: Task | str) -> HTSAT:
    """Let a fresh multi-label classifier expect one class of all, so that it need not first learn silence."""
    if task == "multi_label":
        fine = {} if network.fine_head is None else dict(network.fine_head.classifier.named_parameters())
        for name, parameter in [*network.head.named_parameters(), *fine.items()]:
            if name.endswith("bias"):
                torch.nn.init.constant_(parameter, -math.log(max(1, network.config.n_classes - 1)))
    return network
