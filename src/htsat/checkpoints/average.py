"""Models whose weights are the mean of other models' weights.

That makes sense for models that went apart from one start: checkpoints of one run, or several runs from the
same weights. Models that began at different random weights have nothing in common to average.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from htsat.checkpoints.card import ModelCard
from htsat.checkpoints.file import Model, load_model, read_card
from htsat.checkpoints.problems import some
from htsat.checkpoints.tensors import build
from htsat.errors import CheckpointError
from htsat.files import sha256
from htsat.network import ModelConfig
from htsat.rules import EventRules


def mean_of_states(states: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of state dicts, summed in float64; only one of them is held at a time.

    Reals have the type of the first state, integers (counts of steps) its values.

    Raises:
        ValueError: when there is no state.
    """
    remaining = iter(states)
    state = next(remaining, None)
    if state is None:
        raise ValueError("the mean of no states does not exist")
    types = {key: tensor.dtype for key, tensor in state.items()}
    sums = {key: _summand(tensor).clone() for key, tensor in state.items()}
    n_states = 1
    for state in remaining:
        n_states += 1
        for key, total in sums.items():
            if total.is_floating_point():
                total.add_(_summand(state[key]))
    return {
        key: (total / n_states).to(types[key]) if total.is_floating_point() else total
        for key, total in sums.items()
    }


def _summand(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return tensor.double() if tensor.is_floating_point() else tensor


def check_alike(paths: Sequence[Path]) -> None:
    """Refuse models that cannot be averaged, before any weights are read.

    Raises:
        CheckpointError: when a file is no model; or naming the first two that differ, and in what.
    """
    first = read_card(paths[0])
    for path in paths[1:]:
        difference = _difference(first, read_card(path))
        if difference:
            raise CheckpointError(f"{paths[0]} and {path} cannot be averaged: {difference}")


def average_models(paths: Sequence[Path]) -> Model:
    """The model with the mean of the weights and thresholds; of one path it is that model.

    Its provenance keeps what all members say alike, such as their licence.

    Raises:
        CheckpointError: when a file is no model, or the models differ in network, classes, task or in rules
            other than thresholds.
    """
    check_alike(paths)
    config, first = read_card(paths[0])
    cards = [read_card(path)[1] for path in paths]
    columns = zip(*(card.thresholds for card in cards), strict=True)
    thresholds = tuple(sum(column) / len(paths) for column in columns)
    agreed = dict(set.intersection(*(set(card.provenance.items()) for card in cards)))
    provenance = {name: value for name, value in first.provenance.items() if name in agreed}
    rules = dataclasses.replace(first.rules, thresholds=thresholds)
    card = dataclasses.replace(first, rules=rules, provenance=provenance)
    with torch.no_grad():
        return Model(build(config, mean_of_states(_states(paths))), card)


def members_in_words(paths: Sequence[Path]) -> str:
    """Names and digests of the files of members, for the provenance of their mean."""
    return json.dumps([{"file": path.name, "sha256": sha256(path)} for path in paths], ensure_ascii=False)


def _states(paths: Iterable[Path]) -> Iterator[Mapping[str, Tensor]]:
    for path in paths:
        yield load_model(path).network.state_dict()


def _difference(one: tuple[ModelConfig, ModelCard], other: tuple[ModelConfig, ModelCard]) -> str:
    """What two models differ in, or nothing."""
    (one_config, one_card), (other_config, other_card) = one, other
    if one_card.task != other_card.task:
        return f"their tasks are {one_card.task} and {other_card.task}"
    ours, theirs = one_card.labels.names, other_card.labels.names
    if sorted(ours) == sorted(theirs) and ours != theirs:
        return "their classes stand in different orders"
    if ours != theirs:
        only = [name for name in (*ours, *theirs) if (name in ours) != (name in theirs)]
        return f"only one of them has {some(only)}"
    return _differing(one_config, other_config) or _differing(
        *(dataclasses.replace(card.rules, thresholds=one_card.thresholds) for card in (one_card, other_card))
    )


def _differing(one: ModelConfig | EventRules, other: ModelConfig | EventRules) -> str:
    """The values in which two records differ, or nothing."""
    values = dataclasses.asdict(one), dataclasses.asdict(other)
    names = [name for name in values[0] if values[0][name] != values[1][name]]
    return some([f"{name} is {values[0][name]} and {values[1][name]}" for name in names])
