"""Where a run starts: fresh weights, or those of a model."""

from __future__ import annotations

import dataclasses
import math

import torch

from htsat.checkpoints import load_model
from htsat.checkpoints.resolve import resolve
from htsat.data.manifest import Manifest
from htsat.network import HTSAT, ModelConfig
from htsat.scores import Task
from htsat.training.experiment import Experiment


def start_network(experiment: Experiment, manifest: Manifest) -> HTSAT:
    """A fresh network of the experiment's size, or the one of `init_from` with a classifier that fits.

    Raises:
        CheckpointError: when `init_from` is not a model.
    """
    n_classes = len(manifest.labels)
    if experiment.init_from is None:
        network = HTSAT(ModelConfig.named(experiment.size, n_classes=n_classes))
        return _expecting_prior(network, experiment.task)
    start = load_model(resolve(experiment.init_from))
    if start.card.labels == manifest.labels:
        return start.network.train()
    head = "token_semantic" if start.network.config.head == "none" else start.network.config.head
    network = HTSAT(dataclasses.replace(start.network.config, n_classes=n_classes, head=head))
    kept = {key: value for key, value in start.network.state_dict().items() if not key.startswith("head.")}
    network.load_state_dict({**network.state_dict(), **kept})
    return _expecting_prior(network, experiment.task)


def _expecting_prior(network: HTSAT, task: Task) -> HTSAT:
    """Let a fresh multi-label classifier expect one class of all, so that it need not first learn silence."""
    if task == "multi_label":
        for name, parameter in network.head.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.constant_(parameter, -math.log(max(1, network.config.n_classes - 1)))
    return network
