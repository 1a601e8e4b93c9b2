from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from htsat.checkpoints import ModelCard, load_model, save_model
from htsat.checkpoints.average import average_models, check_alike, mean_of_states, members_in_words
from htsat.errors import CheckpointError
from htsat.files import sha256
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path, half_second_config: ModelConfig) -> Save:
    """Writes a model with random weights; its config and card can be changed."""

    def write(name: str, seed: int, *, half: bool = False, **changes: object) -> Path:
        settings = {
            "labels": ("a", "b"),
            "task": "multi_label",
            "rules": EventRules((0.2, 0.4)),
            "provenance": {},
        }
        of_card = {key: changes.pop(key, value) for key, value in settings.items()}
        config = dataclasses.replace(half_second_config, n_classes=len(of_card["labels"]), **changes)  # type: ignore[arg-type]
        torch.manual_seed(seed)
        card = ModelCard(**of_card | {"labels": LabelSet(of_card["labels"])})  # type: ignore[arg-type]
        path = tmp_path / f"{name}.safetensors"
        save_model(path, HTSAT(config), card, half=half)
        return path

    return write


def test_the_mean_is_that_of_float64() -> None:
    values = torch.rand(5, 7, generator=torch.Generator().manual_seed(0)) * 1e3
    mean = mean_of_states({"w": row} for row in values)
    assert mean["w"].dtype == torch.float32
    torch.testing.assert_close(mean["w"], values.double().mean(dim=0).float(), rtol=0, atol=0)


def test_float16_is_summed_where_it_does_not_overflow() -> None:
    large = torch.full((2,), 60_000.0, dtype=torch.float16)
    mean = mean_of_states([{"w": large}, {"w": large}, {"w": large}])
    assert mean["w"].dtype == torch.float16
    assert torch.equal(mean["w"], large)


def test_integers_are_those_of_the_first_state() -> None:
    states = [{"n": torch.tensor(7)}, {"n": torch.tensor(9)}]
    assert mean_of_states(states)["n"].item() == 7
    assert [state["n"].item() for state in states] == [7, 9]


def test_the_states_that_are_averaged_stay_as_they_are() -> None:
    states = [{"w": torch.zeros(2, dtype=torch.float64)}, {"w": torch.ones(2, dtype=torch.float64)}]
    assert mean_of_states(states)["w"].tolist() == [0.5, 0.5]
    assert states[0]["w"].tolist() == [0.0, 0.0]


def test_the_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no states"):
        mean_of_states([])


def test_one_state_is_held_at_a_time() -> None:
    alive = 0

    class Counted(dict[str, torch.Tensor]):
        def __init__(self) -> None:
            nonlocal alive
            alive += 1
            assert alive <= 2, "the one before and this one"
            super().__init__(w=torch.ones(1))

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    assert mean_of_states(Counted() for _ in range(20))["w"].item() == 1.0


def test_a_model_of_the_mean_weights_and_thresholds(save: Save) -> None:
    one = save(
        "one", 0, rules=EventRules((0.2, 0.4), max_gap_s=0.2), provenance={"licence": "MIT", "seed": "0"}
    )
    two = save(
        "two", 1, rules=EventRules((0.4, 0.4), max_gap_s=0.2), provenance={"licence": "MIT", "seed": "1"}
    )
    mean = average_models([one, two])
    states = [load_model(path).network.state_dict() for path in (one, two)]
    for key, tensor in mean.network.state_dict().items():
        expected = (states[0][key].double() + states[1][key].double()) / 2
        torch.testing.assert_close(tensor, expected.to(tensor.dtype), rtol=0, atol=0)
    assert mean.card.thresholds == pytest.approx((0.3, 0.4))
    assert mean.card.rules.max_gap_s == 0.2
    assert mean.card.provenance == {"licence": "MIT"}


def test_the_mean_of_one_model_is_that_model(save: Save) -> None:
    one = load_model(save("one", 0, half=True, provenance={"licence": "MIT"}))
    mean = average_models([save("one", 0, half=True, provenance={"licence": "MIT"})])
    assert mean.card == one.card
    for key, tensor in one.network.state_dict().items():
        assert torch.equal(mean.network.state_dict()[key], tensor)


def test_float16_files_are_averaged_in_float32(save: Save) -> None:
    paths = [save("half", 0, half=True), save("whole", 1)]
    key = "head.token_semantic.weight"
    weights = [load_model(path).network.state_dict()[key].double() for path in paths]
    assert torch.equal(
        average_models(paths).network.state_dict()[key], ((weights[0] + weights[1]) / 2).float()
    )


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"task": "multi_class"}, "their tasks are multi_label and multi_class"),
        ({"labels": ("b", "a")}, "their classes stand in different orders"),
        ({"labels": ("a", "c")}, "only one of them has b, c"),
        ({"labels": ("a", "b", "c"), "rules": EventRules((0.5,) * 3)}, "only one of them has c"),
        ({"rules": EventRules((0.2, 0.4), max_gap_s=1.0)}, "max_gap_s is 0.0 and 1.0"),
        ({"drop_path": 0.1, "min_hz": 60.0}, "min_hz is 50.0 and 60.0, drop_path is 0.0 and 0.1"),
    ],
)
def test_models_that_differ_are_named_with_what_differs(
    save: Save, changes: dict[str, object], difference: str
) -> None:
    paths = [save("one", 0), save("two", 1), save("three", 2, **changes)]
    with pytest.raises(CheckpointError) as refused:
        check_alike(paths)
    assert str(refused.value) == f"{paths[0]} and {paths[2]} cannot be averaged: {difference}"


def test_members_are_named_with_their_digests(save: Save) -> None:
    path = save("naïve", 0)
    assert json.loads(members_in_words([path])) == [{"file": "naïve.safetensors", "sha256": sha256(path)}]
