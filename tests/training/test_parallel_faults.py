"""Numbers that fail in one of two processes: both stop with one message, and go on from one state."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each process has found, by the name of the run."""
    folder, parallel = tmp_path_factory.mktemp("faults"), load("test_parallel")
    parallel.write_recordings(folder / "data")
    parallel.start_two([sys.executable, str(Path(__file__).with_name("fault_work.py")), str(folder)])
    return [json.loads((folder / f"found-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("name", ["loss", "gradient", "shared"])
def test_both_processes_stop_with_one_message_and_go_on(found: list[dict[str, Any]], name: str) -> None:
    first, second = (own[name] for own in found)
    what = "loss nan" if name == "loss" else "gradient nan"
    assert first["said"] == second["said"]
    assert first["said"].startswith(f"{what} in step 2 (epoch 1), with ")
    assert first["said"].endswith("state.ckpt of step 0 is good")
    assert first["told"]["event"] == "fault"
    assert first["step"] == second["step"] == 4


def test_of_a_loss_the_clips_of_the_process_that_heard_them_are_named(found: list[dict[str, Any]]) -> None:
    first, second = (own["loss"] for own in found)
    assert first["told"]["clips"] == second["heard"]
    assert not set(second["heard"]) & set(first["heard"])


@pytest.mark.parametrize("name", ["gradient", "shared"])
def test_of_a_gradient_all_clips_of_the_batch_are_named(found: list[dict[str, Any]], name: str) -> None:
    """It is the mean over both processes, whoever spoiled it."""
    first, second = (own[name] for own in found)
    assert sorted(first["told"]["clips"]) == sorted(first["heard"] + second["heard"])
